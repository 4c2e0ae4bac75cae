/**
 * Asks the deployment whether it can be read, by trying what a session does, and changes nothing: each problem
 * with what mends it, and notes on what rules can expect of each collection.
 */
import { raceAbort } from "../../src/base/abort.js";
import { errorCatalogue } from "../../src/base/error-catalogue.js";
import type { CheckReport } from "../../src/connector/connector.js";
import type { Problem } from "../../src/model/problem.js";
import { Collections, type ListedCollection, type WatchedCollection } from "./collections.js";
import { collectionNotes, unfitProblem } from "./check-collections.js";
import { oplogProblems } from "./check-oplog.js";
import { closeClient, openDeployment, type Deployment } from "./deployment.js";
import { codeOf, failureOf } from "./failures.js";
import { NamespaceScope } from "./namespace-scope.js";
import { ServerCursor } from "./server-cursor.js";
import { cursorPlan, type Context } from "./session.js";

const UNAUTHORIZED = 13;

export async function checkMongodb(context: Context): Promise<CheckReport> {
  const { options, signal, source } = context;
  let deployment: Deployment;
  try {
    deployment = await openDeployment(options, `changecast ${source} check`, signal);
  } catch (error) {
    signal.throwIfAborted();
    return { problems: [problemOf(error, "connecting")], relations: [] };
  }
  try {
    return await new Check(context, deployment).run();
  } finally {
    await closeClient(deployment.client);
  }
}

class Check {
  readonly #context: Context;
  readonly #deployment: Deployment;
  readonly #scope: NamespaceScope;
  readonly #collections: Collections;
  readonly #problems: Problem[] = [];

  constructor(context: Context, deployment: Deployment) {
    const { relations: patterns, fields, options } = context;
    this.#context = context;
    this.#deployment = deployment;
    this.#scope = new NamespaceScope(patterns, options.scope);
    this.#collections = new Collections({
      ...{ scope: this.#scope, patterns, fields, deployment, updates: options.updates },
    });
  }

  async run(): Promise<CheckReport> {
    const listed = await this.#attempt("listing collections", () => this.#collections.list());
    if (listed === undefined) return { problems: this.#problems, relations: [] };
    await this.#attempt("opening the change stream", () => this.#openStream(listed));
    const watched = this.#watched(listed);
    for (const collection of watched) {
      await this.#attempt(`reading ${collection.relation.name}`, () => this.#readOne(collection));
    }
    const { resume, signal } = this.#context;
    const { client } = this.#deployment;
    this.#problems.push(...(await raceAbort(oplogProblems(client, resume), signal)));
    const relations = watched.map(({ relation }) => relation);
    const notes = watched.flatMap((each) =>
      collectionNotes(
        each,
        listed.find(({ name }) => name === each.relation.name),
      ),
    );
    return { problems: this.#problems, relations, notes };
  }

  /** What cannot be watched is told where a rule names it outright. */
  #watched(listed: readonly ListedCollection[]): readonly WatchedCollection[] {
    const watched = new Map(this.#collections.named.map((each) => [each.relation.name, each]));
    for (const { name, kind } of listed) {
      if (kind === "collection") {
        const dot = name.indexOf(".");
        const found = this.#collections.find(name.slice(0, dot), name.slice(dot + 1));
        if (found !== undefined) watched.set(name, found);
      } else {
        this.#problems.push(unfitProblem(name, kind, watched.has(name)));
        watched.delete(name);
      }
    }
    return [...watched.values()];
  }

  async #openStream(listed: readonly ListedCollection[]): Promise<void> {
    const { signal } = this.#context;
    const plan = cursorPlan(this.#context, this.#deployment, this.#scope, listed);
    const { cursor } = await ServerCursor.open(plan, {}, signal);
    try {
      await cursor.next(1, signal);
    } finally {
      await cursor.close();
    }
  }

  async #readOne({ db, collection }: WatchedCollection): Promise<void> {
    const { client, readPreference } = this.#deployment;
    const find = { find: collection, limit: 1, singleBatch: true, projection: { _id: 1 } };
    await client.db(db).command(find, { readPreference });
  }

  async #attempt<Result>(doing: string, work: () => Promise<Result>): Promise<Result | undefined> {
    const { signal } = this.#context;
    try {
      return await raceAbort(work(), signal);
    } catch (error) {
      signal.throwIfAborted();
      const { database } = this.#scope;
      const cure = codeOf(error) === UNAUTHORIZED ? roleCure(database, this.#scope) : undefined;
      const found = problemOf(error, doing);
      this.#problems.push(cure === undefined ? found : { ...found, cure });
      return undefined;
    }
  }
}

function problemOf(error: unknown, doing: string): Problem {
  const { code, message, cure } = failureOf(error, doing);
  return { code, level: "error", message, cure: cure ?? errorCatalogue[code].cure };
}

/** Reading is all that is needed; the stream has to be opened where its scope is. */
export function roleCure(
  database: string | undefined,
  { databases }: Pick<NamespaceScope, "databases">,
): string {
  const role = (actions: readonly string[], db: string): string =>
    `{resource: {db: "${db}", collection: ""}, actions: ${JSON.stringify(actions)}}`;
  const reading = ["find", "listCollections"];
  const privileges =
    database !== undefined
      ? [role([...reading, "changeStream"], database)]
      : [role(["find", "changeStream"], ""), ...(databases ?? [""]).map((db) => role(reading, db))];
  const roles = database === undefined && databases === undefined ? '["clusterMonitor"]' : "[]";
  return [
    'As an administrator, on "admin":',
    `db.createRole({role: "changecast", roles: ${roles}, privileges: [${privileges.join(", ")}]});`,
    'db.grantRolesToUser("<user>", ["changecast"]);',
  ].join(" ");
}
