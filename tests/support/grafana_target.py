"""A strict Grafana in memory: what the example plug-in needs of its user and team APIs, with its statuses."""

import base64
import json
import re
from urllib.parse import parse_qs, urlsplit

from connectors.connector import Reply
from tests.support.driving import reply

PASSWORD = "password-of-the-grafana-administrator"


class GrafanaTarget:
    def __init__(self):
        self.users, self.teams, self.calls = {}, {}, []
        self.counter = 0

    def properties(self, base):
        return {"grafana-url": base, "grafana-username": "admin", "grafana-password": PASSWORD}

    def answer(self, request) -> Reply:
        parts = urlsplit(request.url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.calls.append(f"{request.method} {parts.path}")
        if headers.get("authorization") != "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode():
            return reply(401, {"message": "Invalid username or password"})
        body = json.loads(request.body) if request.body else {}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for pattern, serve in self.ROUTES:
            found = re.fullmatch(pattern, f"{request.method} {parts.path}")
            if found:
                return serve(self, *map(int, found.groups()), body=body, query=query)
        return reply(404, {"message": "Not found"})

    __call__ = answer

    def _new(self):
        self.counter += 1
        return self.counter

    def lookup(self, *, query, **_):
        wanted = query["loginOrEmail"]
        found = [one for one in self.users.values() if wanted in (one["login"], one.get("email"))]
        return reply(200, found[0]) if found else reply(404, {"message": "user not found"})

    def list_users(self, **_):
        return Reply(200, {"content-type": "application/json"}, json.dumps(list(self.users.values())).encode())

    def create_user(self, *, body, **_):
        if not body.get("password"):
            return reply(400, {"message": "Missing password"})
        if any(one["login"] == body["login"] for one in self.users.values()):
            return reply(412, {"message": "User already exists"})
        number = self._new()
        self.users[number] = {**body, "id": number, "isDisabled": False}
        return reply(200, {"id": number, "message": "User created"})

    def read_user(self, number, **_):
        return reply(200, self.users[number]) if number in self.users else reply(404, {"message": "user not found"})

    def change_user(self, number, *, body, **_):
        if number not in self.users:
            return reply(404, {"message": "user not found"})
        self.users[number] |= body
        return reply(200, {"message": "User updated"})

    def enable_user(self, number, **_):
        return self.change_user(number, body={"isDisabled": False})

    def disable_user(self, number, **_):
        return self.change_user(number, body={"isDisabled": True})

    def delete_user(self, number, **_):
        gone = self.users.pop(number, None)
        return reply(200, {"message": "User deleted"}) if gone else reply(404, {"message": "user not found"})

    def find_teams(self, *, query, **_):
        found = [one for one in self.teams.values() if one["name"] == query["name"]]
        shown = [{"id": one["id"], "name": one["name"]} for one in found]
        return reply(200, {"totalCount": len(shown), "teams": shown})

    def create_team(self, *, body, **_):
        if any(one["name"] == body["name"] for one in self.teams.values()):
            return reply(409, {"message": "Team name taken"})
        number = self._new()
        self.teams[number] = {"id": number, "name": body["name"], "members": []}
        return reply(200, {"teamId": number, "message": "Team created"})

    def read_team(self, number, **_):
        return reply(200, self.teams[number]) if number in self.teams else reply(404, {"message": "Team not found"})

    def rename_team(self, number, *, body, **_):
        self.teams[number]["name"] = body["name"]
        return reply(200, {"message": "Team updated"})

    def delete_team(self, number, **_):
        gone = self.teams.pop(number, None)
        return reply(200, {"message": "Team deleted"}) if gone else reply(404, {"message": "Team not found"})

    def read_members(self, number, **_):
        return reply(200, [{"userId": one} for one in self.teams[number]["members"]])

    def add_member(self, number, *, body, **_):
        if body["userId"] in self.teams[number]["members"] or body["userId"] not in self.users:
            return reply(400, {"message": "User is already added to this team, or unknown"})
        self.teams[number]["members"].append(body["userId"])
        return reply(200, {"message": "Member added to Team"})

    def remove_member(self, number, user, **_):
        if user not in self.teams[number]["members"]:
            return reply(404, {"message": "Team member not found"})
        self.teams[number]["members"].remove(user)
        return reply(200, {"message": "Team Member removed"})

    ROUTES = (
        (r"GET /api/users", list_users),
        (r"GET /api/users/lookup", lookup),
        (r"POST /api/admin/users", create_user),
        (r"GET /api/users/(\d+)", read_user),
        (r"PUT /api/users/(\d+)", change_user),
        (r"PUT /api/admin/users/(\d+)/password", change_user),
        (r"POST /api/admin/users/(\d+)/enable", enable_user),
        (r"POST /api/admin/users/(\d+)/disable", disable_user),
        (r"DELETE /api/admin/users/(\d+)", delete_user),
        (r"GET /api/teams/search", find_teams),
        (r"POST /api/teams", create_team),
        (r"GET /api/teams/(\d+)", read_team),
        (r"PUT /api/teams/(\d+)", rename_team),
        (r"DELETE /api/teams/(\d+)", delete_team),
        (r"GET /api/teams/(\d+)/members", read_members),
        (r"POST /api/teams/(\d+)/members", add_member),
        (r"DELETE /api/teams/(\d+)/members/(\d+)", remove_member),
    )
