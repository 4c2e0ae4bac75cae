/** Which namespaces rules read (`database.collection`, with `*`), and the filter by which the server keeps the others back. */
import type { Document } from "mongodb";
import { channelMatches } from "../../src/model/channel.js";

/** Nobody's documents, and not to be watched. */
const SYSTEM_DATABASES = ["admin", "local", "config"];

/** What `$out`, and a rename from another database, write to before the rename that counts (mongodb.md 5.7). */
const TEMPORARY = /^tmp(\.agg_out\.|[A-Za-z0-9]*\.renameCollection$)/;

/** Changes of documents, and what happens to whole collections. Others, new ones too, say nothing to us. */
const ROW_KINDS = ["insert", "update", "replace", "delete"];
const COLLECTION_KINDS = ["drop", "rename"];
const DATABASE_KINDS = ["dropDatabase", "invalidate"];

export class NamespaceScope {
  /** What the stream is opened on; undefined: the deployment. */
  readonly database: string | undefined;
  /** Databases that the patterns name outright; undefined where one of them may be any. */
  readonly databases: readonly string[] | undefined;
  readonly #patterns: readonly string[];

  constructor(patterns: readonly string[], wish: "database" | "deployment" | undefined) {
    this.#patterns = patterns;
    const named = new Set(patterns.map((pattern) => databaseOf(pattern)));
    this.databases = named.has(undefined)
      ? undefined
      : [...named].filter((name) => name !== undefined);
    const [only] = this.databases ?? [];
    this.database = wish === "deployment" || this.databases?.length !== 1 ? undefined : only;
  }

  has(namespace: string): boolean {
    const dot = namespace.indexOf(".");
    if (SYSTEM_DATABASES.includes(namespace.slice(0, dot))) return false;
    const collection = namespace.slice(dot + 1);
    if (collection.startsWith("system.") || TEMPORARY.test(collection)) return false;
    return this.#patterns.some((pattern) => channelMatches(pattern, namespace));
  }

  /** Lets through at least what `has` lets through. */
  get match(): Document {
    const own = this.#patterns.map((pattern) => namespaceMatch("ns", pattern));
    const renamed = this.#patterns.map((pattern) => namespaceMatch("to", pattern));
    return {
      $match: {
        $or: [
          { operationType: { $in: [...ROW_KINDS, ...COLLECTION_KINDS] }, $or: own },
          { operationType: "rename", $or: renamed },
          { operationType: { $in: DATABASE_KINDS } },
        ],
      },
    };
  }
}

/** A database's name has no dot: what stands before the first one, unless a star makes it open. */
function databaseOf(pattern: string): string | undefined {
  const dot = pattern.indexOf(".");
  const name = dot < 0 ? pattern : pattern.slice(0, dot);
  return name.includes("*") ? undefined : name;
}

function namespaceMatch(field: "ns" | "to", pattern: string): Document {
  const db = databaseOf(pattern);
  // Where the star may reach over the dot, the server lets all through.
  if (db === undefined) return { [`${field}.db`]: { $type: "string" } };
  const collection = pattern.slice(db.length + 1);
  if (!collection.includes("*")) return { [`${field}.db`]: db, [`${field}.coll`]: collection };
  const regex = collection.split("*").map(escaped).join(".*");
  return { [`${field}.db`]: db, [`${field}.coll`]: { $regex: `^${regex}$`, $options: "s" } };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
