/** The collections that rules read, as relations: the `_id` and the fields that rules name, each of type `any`. */
import type { Db, Document } from "mongodb";
import { channelMatches } from "../../src/model/channel.js";
import type { Relation } from "../../src/model/change.js";
import { isAtLeast, type Deployment } from "./deployment.js";
import type { NamespaceScope } from "./namespace-scope.js";
import type { MongodbOptions } from "./options.js";
import { documentForms } from "./values/document-forms.js";
import type { DocumentForms, UpdateReading } from "./values/forms.js";

export interface WatchedCollection {
  readonly relation: Relation;
  readonly db: string;
  readonly collection: string;
  readonly forms: DocumentForms;
  readonly reading: UpdateReading;
  /** What reads ask for; undefined where a name cannot be asked for alone. */
  readonly projection: Document | undefined;
}

export interface CollectionsOptions {
  readonly scope: NamespaceScope;
  /** As `OpenContext.relations`. */
  readonly patterns: readonly string[];
  readonly fields: (relation: string) => readonly string[];
  readonly updates: MongodbOptions["updates"];
  readonly deployment: Deployment;
}

/** What the server says of one that is there. */
export interface ListedCollection {
  readonly name: string;
  readonly kind: string;
  readonly hasImages: boolean;
  readonly isCapped: boolean;
}

interface Images {
  readonly enabled?: boolean;
}

export class Collections {
  readonly #options: CollectionsOptions;
  readonly #known = new Map<string, WatchedCollection>();

  constructor(options: CollectionsOptions) {
    this.#options = options;
  }

  /** Undefined where no rule reads it. */
  find(db: string, collection: string): WatchedCollection | undefined {
    const name = `${db}.${collection}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    if (!this.#options.scope.has(name)) return undefined;
    const made = this.#make(db, collection);
    this.#known.set(name, made);
    return made;
  }

  /** `database.collection`: a database's name has no dot. */
  byName(name: string): WatchedCollection | undefined {
    const dot = name.indexOf(".");
    return dot < 0 ? undefined : this.find(name.slice(0, dot), name.slice(dot + 1));
  }

  /** Those whose names rules write out are there even before their first document. */
  get named(): readonly WatchedCollection[] {
    const names = this.#options.patterns.filter((pattern) => !pattern.includes("*"));
    return names.flatMap((name) => this.byName(name) ?? []);
  }

  /** What is there now and matches: views and time series too, which have no changes. */
  async list(): Promise<readonly ListedCollection[]> {
    const { deployment, scope } = this.#options;
    const { client } = deployment;
    const databases = scope.databases ?? (await databaseNames(client.db("admin")));
    const found: ListedCollection[] = [];
    for (const database of databases) {
      const listed = client.db(database).listCollections({}, { nameOnly: false });
      for await (const { name, type, options } of listed) {
        const relation = `${database}.${name}`;
        if (!scope.has(relation)) continue;
        const images = options?.["changeStreamPreAndPostImages"] as Images | undefined;
        found.push({
          ...{ name: relation, kind: type ?? "collection" },
          hasImages: images?.enabled === true,
          isCapped: options?.["capped"] === true,
        });
      }
    }
    return found;
  }

  #make(db: string, collection: string): WatchedCollection {
    const name = `${db}.${collection}`;
    const fields = ["_id", ...this.#options.fields(name).filter((field) => field !== "_id")];
    const relation: Relation = {
      name,
      columns: fields.map((field) => ({ name: field, type: "any" })),
      ...{ identity: ["_id"], primaryKey: ["_id"], uniqueKeys: [["_id"]] },
      isOpen: true,
      fingerprint: JSON.stringify([name, fields]),
    };
    const isPlain = fields.every((field) => field !== "" && !/^\$|\./.test(field));
    return {
      ...{ relation, db, collection },
      forms: documentForms(fields),
      reading: this.#readingOf(name),
      projection: isPlain ? Object.fromEntries(fields.map((field) => [field, 1])) : undefined,
    };
  }

  #readingOf(name: string): UpdateReading {
    const { deployment, updates } = this.#options;
    if (isAtLeast(deployment.facts, 6, 1)) return "expanded";
    const [, policy] = updates.find(([pattern]) => channelMatches(pattern, name)) ?? [];
    return policy === "nested" ? "nested" : "none";
  }
}

async function databaseNames(admin: Db): Promise<readonly string[]> {
  const listed = await admin.command({ listDatabases: 1, nameOnly: true });
  return (listed["databases"] as { name: string }[]).map(({ name }) => name);
}
