// Puts SCIMMY (npm: scimmy, scimmy-routers) on a free loopback port, with both kinds of resources kept in memory.
// The token to ask for comes in PEER_TOKEN; the first line printed is the base URL.
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// The packages are installed in the working folder, outside the checkout.
const require = createRequire(pathToFileURL(join(process.cwd(), "package.json")));
const express = require("express");
const SCIMMY = require("scimmy").default ?? require("scimmy");
const routers = require("scimmy-routers");
const Routers = routers.default ?? routers;

function declare(kind, name) {
  const kept = new Map();
  const missing = (id) => new SCIMMY.Types.Error(404, null, `nothing has the id ${id}`);
  const fold = (value) => String(value).toLowerCase();

  function read(resource) {
    if (!resource.id) {
      const everything = Array.from(kept.values());
      return resource.filter ? resource.filter.match(everything) : everything;
    }
    if (!kept.has(resource.id)) throw missing(resource.id);
    return kept.get(resource.id);
  }

  function write(resource, wanted) {
    if (resource.id && !kept.has(resource.id)) throw missing(resource.id);
    const id = resource.id ?? randomUUID();
    for (const other of kept.values()) {
      if (other.id !== id && fold(other[name]) === fold(wanted[name])) {
        throw new SCIMMY.Types.Error(409, "uniqueness", `${name} is taken`);
      }
    }
    const lastModified = new Date().toISOString();
    const created = kept.get(id)?.meta.created ?? lastModified;
    kept.set(id, { ...JSON.parse(JSON.stringify(wanted)), id, meta: { created, lastModified } });
    return kept.get(id);
  }

  function remove(resource) {
    if (!kept.delete(resource.id)) throw missing(resource.id);
  }

  SCIMMY.Resources.declare(kind, { egress: read, ingress: write, degress: remove });
}

SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false);
declare(SCIMMY.Resources.User, "userName");
declare(SCIMMY.Resources.Group, "displayName");

function handler(request) {
  if (request.header("Authorization") !== `Bearer ${process.env.PEER_TOKEN}`) throw new Error("unknown token");
  return "sluice";
}

const app = express();
app.use("/scim", new Routers({ type: "bearer", handler }));
const server = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/scim`));
