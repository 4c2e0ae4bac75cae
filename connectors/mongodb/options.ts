/**
 * The options of a MongoDB source in the YAML: one literal gives their check and their JSON schema. Files
 * that they name are read here, so that a missing one is a problem of the configuration.
 */
import { readFileSync } from "node:fs";
import { MongoClient } from "mongodb";
import { z } from "zod";
import { errorText } from "../../src/base/errors.js";
import { Secret } from "../../src/base/secret.js";
import type { Problem } from "../../src/model/problem.js";

const READ_PREFERENCES = [
  ...(["primary", "primaryPreferred", "secondary"] as const),
  ...(["secondaryPreferred", "nearest"] as const),
] as const;

/** Stages that leave a stream what it is. */
const STAGES = [
  ...(["$match", "$project", "$addFields", "$set", "$unset"] as const),
  ...(["$replaceRoot", "$replaceWith", "$redact"] as const),
] as const;

const UPDATES = ["refetch", "nested"] as const;

/** How a dotted path of an update is read where the server does not say what it means. */
export type UpdatePolicy = (typeof UPDATES)[number];

const tls = z.strictObject({
  ca: z.string().optional().meta({ description: "Path of a PEM file: who may sign." }),
  cert: z.string().optional().meta({ description: "Path of a PEM file: our certificate." }),
  key: z.string().optional().meta({ description: "Path of a PEM file: its key." }),
});

const updates = z.enum(UPDATES);

const options = z.strictObject({
  url: z.string().meta({
    description: "mongodb://user:password@host1,host2/?replicaSet=rs0, or mongodb+srv://…",
  }),
  user: z.string().min(1).optional(),
  password: z.string().optional().meta({ description: "Best as ${NAME}, from the environment." }),
  passwordFile: z.string().optional().meta({ description: "Path of a file that holds it." }),
  authSource: z.string().min(1).optional().meta({ description: "Database of the user." }),
  tls: tls.optional(),
  scope: z.enum(["database", "deployment"]).optional().meta({
    description:
      "What the stream is opened on. Default: the rules' database if they name one, else all.",
  }),
  readPreference: z.enum(READ_PREFERENCES).default("primary"),
  pipeline: z.array(z.record(z.string(), z.unknown())).default([]).meta({
    description: "Further stages of the change stream, run by the server.",
  }),
  updates: z
    .union([updates, z.record(z.string(), updates)])
    .default("refetch")
    .meta({
      description:
        "How dotted paths are read before server 6.1; for all, or by collection (pattern).",
    }),
});

type Raw = z.output<typeof options>;

export interface MongodbOptions {
  readonly target: MongodbTarget;
  readonly scope: "database" | "deployment" | undefined;
  readonly readPreference: (typeof READ_PREFERENCES)[number];
  readonly pipeline: readonly Readonly<Record<string, unknown>>[];
  /** By pattern, the first that matches. */
  readonly updates: readonly (readonly [pattern: string, policy: UpdatePolicy])[];
}

/** Where the deployment is, and who we are there. */
export interface MongodbTarget {
  readonly url: Secret;
  readonly login: { readonly user: string; readonly password: Secret | undefined } | undefined;
  readonly authSource: string | undefined;
  /** PEM texts. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: Secret } | undefined;
}

export const mongodbOptionsSchema = z.toJSONSchema(options, { io: "input" });

/** The options, or everything that is wrong with them. */
export function parseMongodbOptions(
  raw: unknown,
): { readonly options: MongodbOptions } | { readonly problems: readonly Problem[] } {
  const parsed = options.safeParse(withoutConnector(raw));
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ message, path }) => {
      const cure = "See the options of the connector in connectors/mongodb/README.md.";
      const place = path.map((part) => (typeof part === "number" ? part : String(part)));
      return problem(message, cure, place);
    });
    // A mistake elsewhere hides none in the address.
    const url = (raw as { readonly url?: unknown } | null | undefined)?.url;
    if (typeof url === "string") checkUrl(url, problems);
    return { problems };
  }
  const { data } = parsed;
  const problems: Problem[] = [];
  checkUrl(data.url, problems);
  checkPipeline(data.pipeline, problems);
  const target = targetOf(data, problems);
  if (problems.length > 0) return { problems };
  const { scope, readPreference, pipeline } = data;
  const by = typeof data.updates === "string" ? { "*": data.updates } : data.updates;
  return { options: { target, scope, readPreference, pipeline, updates: Object.entries(by) } };
}

function withoutConnector(raw: unknown): unknown {
  if (typeof raw !== "object" || raw === null) return raw;
  return Object.fromEntries(Object.entries(raw).filter(([name]) => name !== "connector"));
}

/** The driver knows the forms; its words may quote the address, and with it the password. */
function checkUrl(text: string, problems: Problem[]): void {
  const cure =
    "Write mongodb://user:password@host1,host2/?replicaSet=rs0; special characters as %XX.";
  if (!/^mongodb(\+srv)?:\/\//.test(text)) {
    problems.push(problem("the url of the deployment is not mongodb://", cure, ["url"]));
    return;
  }
  checkParameters(text, problems);
  try {
    new MongoClient(text);
  } catch (error) {
    const isQuoting = errorText(error).includes("@") || errorText(error).includes("//");
    const why = isQuoting ? "cannot be read" : `cannot be read: ${errorText(error)}`;
    problems.push(problem(`the url of the deployment ${why}`, cure, ["url"]));
  }
}

/** Of the address: what an option of the source says, and what the connector has to say itself. */
const NOT_IN_URL: ReadonlyMap<string, string> = new Map([
  ["readpreference", "Write it as the option `readPreference`."],
  ["readpreferencetags", "Leave it out: members are chosen by the option `readPreference`."],
  ["maxstalenessseconds", "Leave it out: a stream is read from one member, however far behind."],
  ["readconcernlevel", "Leave it out: the connector reads what a majority has, or a snapshot."],
  ["retryreads", "Leave it out: the connector itself tries again."],
]);

/** The stream, its keys, a copy and the questions between wait for one answer each. */
const POOL_SIZE_MIN = 3;

/** What would be passed over in silence is refused. */
function checkParameters(url: string, problems: Problem[]): void {
  for (const [name, value] of urlParameters(url)) {
    const cure = NOT_IN_URL.get(name);
    if (cure !== undefined) {
      problems.push(problem(`the url sets ${name}, which has no effect there`, cure, ["url"]));
    } else if (name === "maxpoolsize" && Number(value) < POOL_SIZE_MIN) {
      const least = `Allow at least ${String(POOL_SIZE_MIN)}, or leave it out.`;
      problems.push(problem(`the url allows ${value} connections`, least, ["url"]));
    }
  }
}

/** By name in lower case: the driver takes any. */
export function urlParameters(url: string): ReadonlyMap<string, string> {
  const query = new URLSearchParams(url.split("?").slice(1).join("?"));
  return new Map([...query].map(([name, value]) => [name.toLowerCase(), value]));
}

function checkPipeline(pipeline: Raw["pipeline"], problems: Problem[]): void {
  for (const [index, stage] of pipeline.entries()) {
    const names = Object.keys(stage);
    const [name = ""] = names;
    if (names.length === 1 && STAGES.some((known) => known === name)) continue;
    const found = names.length === 1 ? `the stage ${name}` : `${names.length} stages in one`;
    const message = `a change stream's pipeline cannot have ${found}`;
    problems.push(problem(message, `Allowed are ${STAGES.join(", ")}.`, ["pipeline", index]));
  }
}

function targetOf(raw: Raw, problems: Problem[]): MongodbTarget {
  const password = passwordOf(raw, problems);
  if (password !== undefined && raw.user === undefined) {
    const cure = "Write `user`, or both into the `url`.";
    problems.push(problem("a password is given, and no user", cure, ["password"]));
  }
  const secret = password === undefined ? undefined : new Secret(password);
  return {
    url: new Secret(raw.url),
    login: raw.user === undefined ? undefined : { user: raw.user, password: secret },
    authSource: raw.authSource,
    tls: tlsOf(raw, problems),
  };
}

function passwordOf(raw: Raw, problems: Problem[]): string | undefined {
  if (raw.password !== undefined && raw.passwordFile !== undefined) {
    const message = "both password and passwordFile are given";
    problems.push(problem(message, "Leave one of them out.", ["passwordFile"]));
  }
  if (raw.passwordFile === undefined) return raw.password;
  return readText(raw.passwordFile, ["passwordFile"], problems)?.replace(/\r?\n$/, "");
}

function tlsOf(raw: Raw, problems: Problem[]): MongodbTarget["tls"] {
  if (raw.tls === undefined) return undefined;
  const read = (name: "ca" | "cert" | "key"): string | undefined => {
    const path = raw.tls?.[name];
    return path === undefined ? undefined : readText(path, ["tls", name], problems);
  };
  const [ca, cert, key] = [read("ca"), read("cert"), read("key")];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: new Secret(key) }),
  };
}

function readText(path: string, place: string[], problems: Problem[]): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const message = `reading ${place.join(".")}: ${errorText(error)}`;
    problems.push(problem(message, "Name a file that this process can read.", place));
    return undefined;
  }
}

function problem(message: string, cure: string, path: (string | number)[]): Problem {
  return { code: "CONFIG_INVALID", level: "error", message, cure, path };
}
