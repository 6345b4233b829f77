"""Groups at a SCIM 2.0 target: attributes like a user's, members as changes where those are known, else whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from connectors.connector import Exchanges, Link, Member
from connectors.errors import TargetRefused
from connectors.filters import resource_url
from connectors.scim_calls import Answer, Talk
from connectors.scim_members import NOT_ACCEPTED, Change, change_members, differences
from connectors.scim_payload import member_values
from connectors.scim_work import Work, Written

# One request for each: beyond so many, a refused group is left to people.
_MOST_ASKED = 200


class GroupWork(Work):
    """One task about a group."""

    @property
    def _members(self) -> tuple[Member, ...]:
        return self.task.membership.current if self.task.membership is not None else ()

    def _values(self, members: Iterable[Member]) -> list[dict[str, str]]:
        return member_values(members, self.profile.members)

    @property
    def _at_once(self) -> int:
        return self.profile.patch.members

    @property
    def _knows_changes(self) -> bool:
        membership = self.task.membership
        return membership is None or (membership.added is not None and membership.removed is not None)

    def post(self) -> Talk[tuple[Answer, Sequence[Change]]]:
        """The image with as many members as one request may hold; without any where these are refused.

        One member that is gone from the target must not keep the group from being made.
        """
        changes = [Change(add=True, member=member) for member in self._members]
        first = self._values(self._members[: self._at_once])
        whole = self.resource | {"members": first} if first else self.resource
        answer = yield from self.calls.post(self.endpoint, whole, "create the group")
        if first and answer.status in NOT_ACCEPTED and not answer.taken:
            empty = yield from self.calls.post(self.endpoint, self.resource, "create the group without members")
            if empty.good:
                return empty, changes
        return answer, changes[self._at_once :]

    def write_known(self, link: Link) -> Talk[Written]:
        """Changes by PATCH where they are known; else PUT of the whole group, or its members compared and changed."""
        membership, ways = self.task.membership, self.profile.group
        same_members = membership is None or (membership.added == () and membership.removed == ())
        if same_members and self.settled(link):
            return Written(sent=False, etag=link.etag)
        put, patch = partial(self._put, link), partial(self._patch, link)
        if membership is None:
            return (yield from self.either(patch, partial(self._put_as_read, link)))
        if (
            ways.modify == "put"
            or self.known.patch is False
            or (not self._knows_changes and ways.replace == "put" and len(self._members) <= self._at_once)
        ):
            return (yield from self.either(put, patch))
        return (yield from self.either(patch, put))

    def remove(self, identifier: str) -> Exchanges:
        """DELETE, or nothing."""
        if self.profile.group.delete == "nothing":
            return self.keep(identifier)
        return (yield from self.erase(identifier))

    def _put(self, link: Link) -> Talk[Written]:
        """PUT with all members. One that is gone from the target must not cost the others their membership."""
        try:
            return (yield from self._put_members(link, self._members))
        except TargetRefused as error:
            if error.status not in NOT_ACCEPTED:
                raise
            gone = yield from self._gone()
            if not gone:
                raise
            refused = error
        yield from self._put_members(link, [member for member in self._members if member not in gone])
        names = ", ".join(f"`{member.name}`" for member in gone)
        message = f"change the members: the target has no account of {names}"
        raise TargetRefused(message, status=refused.status, detail=refused.detail)

    def _put_members(self, link: Link, members: Iterable[Member]) -> Talk[Written]:
        # RFC 7644 section 3.5.1: an attribute that a PUT leaves out may be cleared, so the members are always in it.
        return self.put(link, self.resource | {"members": self._values(members)})

    def _gone(self) -> Talk[list[Member]]:
        """The members that the target does not have, of those that may be new to the group; none where too many are."""
        membership = self.task.membership
        added = membership.added if membership is not None else None
        asked = added or self._members
        gone: list[Member] = []
        for member in asked if len(asked) <= _MOST_ASKED else ():
            endpoint = self.settings.get("scim2-user-ep" if member.type == "user" else "scim2-group-ep")
            url = resource_url(endpoint, member.identifier)
            if (yield from self.calls.get(url, f"read the member `{member.name}`")).missing:
                gone.append(member)
        return gone

    def _put_as_read(self, link: Link) -> Talk[Written]:
        """PUT with the members that the group has: they are not ours to say."""
        url = resource_url(self.endpoint, link.identifier)
        read = (yield from self.calls.get(url, "read the members")).expect()
        return (yield from self.put(link, self.resource | {"members": read.data.get("members") or []}))

    def _patch(self, link: Link) -> Talk[Written]:
        written = yield from self.patch(link)
        url = resource_url(self.endpoint, link.identifier)
        changes = yield from self._changes(url)
        yield from change_members(self.calls, url, changes)
        # A version before the members changed is no version any more.
        etag = None if changes else written.etag
        return Written(sent=written.sent or bool(changes), etag=etag, warnings=self._unseen())

    def _unseen(self) -> tuple[str, ...]:
        """What to say where the target does not tell who is in a group."""
        if self.profile.members.readable or self._knows_changes:
            return ()
        return ("the target does not tell a group's members: who else is in it was left there",)

    def _changes(self, url: str) -> Talk[list[Change]]:
        membership = self.task.membership
        if membership is None:
            return []
        if membership.added is None or membership.removed is None:
            if not self.profile.members.readable:
                return [Change(add=True, member=member) for member in membership.current]
            read = (yield from self.calls.get(url, "read the members")).expect()
            return differences(membership.current, read.data)
        removed = [Change(add=False, member=member) for member in membership.removed]
        return [*removed, *(Change(add=True, member=member) for member in membership.added)]
