"""A strict Grafana in memory, on a loopback port: what the plug-in needs of its user and team APIs."""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PASSWORD = "password-of-the-grafana-administrator"


def reply(status, body):
    return status, body


class GrafanaTarget:
    def __init__(self):
        self.users, self.teams, self.calls = {}, {}, []
        self.counter = 0

    def properties(self, base):
        return {"grafana-url": base, "grafana-username": "admin", "grafana-password": PASSWORD}

    def answer(self, method, url, headers, body):
        """The status and the JSON for one request."""
        parts = urlsplit(url)
        self.calls.append(f"{method} {parts.path}")
        if headers.get("authorization") != "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode():
            return reply(401, {"message": "Invalid username or password"})
        body = json.loads(body) if body else {}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for pattern, serve in self.ROUTES:
            found = re.fullmatch(pattern, f"{method} {parts.path}")
            if found:
                return serve(self, *map(int, found.groups()), body=body, query=query)
        return reply(404, {"message": "Not found"})

    def _new(self):
        self.counter += 1
        return self.counter

    def lookup(self, *, query, **_):
        wanted = query["loginOrEmail"]
        found = [one for one in self.users.values() if wanted in (one["login"], one.get("email"))]
        return reply(200, found[0]) if found else reply(404, {"message": "user not found"})

    def list_users(self, **_):
        return reply(200, list(self.users.values()))

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
        others = [one for one in self.users.values() if one["id"] != number]
        if any(one["login"] == body.get("login") for one in others):
            return reply(409, {"message": "login already in use"})
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


@contextmanager
def serving(target):
    """Serve the target; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one segment

        def serve(self):
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said = target.answer(self.command, self.path, headers, body)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815 - the names http.server calls

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
