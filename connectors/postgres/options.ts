/**
 * The options of a Postgres source in the YAML: one literal gives their check and their JSON schema.
 * Files that they name are read here, so that a missing one is a problem of the configuration.
 */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { errorText } from "../../src/base/errors.js";
import { Secret } from "../../src/base/secret.js";
import { schemaProblems, withoutUnknownKeys } from "../../src/connector/schema-problems.js";
import type { Problem } from "../../src/model/problem.js";
import type { Connecting, ConnectionTarget, TlsOptions } from "./connection.js";
import type { ProvisionOptions } from "./provision.js";

export type PostgresOptions = Connecting & ProvisionOptions;

const TLS_MODES = ["disable", "prefer", "require", "verify-ca", "verify-full"] as const;
const PORT_DEFAULT = 5432;

/** NAMEDATALEN is 64; slots allow these characters only. */
const SLOT_NAME = /^[a-z0-9_]{1,63}$/;

const tls = z.strictObject({
  mode: z.enum(TLS_MODES).optional().meta({ description: "As libpq's sslmode. Default: prefer." }),
  ca: z.string().optional().meta({ description: "Path of a PEM file: who may sign." }),
  cert: z.string().optional().meta({ description: "Path of a PEM file: our certificate." }),
  key: z.string().optional().meta({ description: "Path of a PEM file: its key." }),
  serverName: z.string().optional().meta({ description: "Name in the server's certificate." }),
});

const options = z.strictObject({
  url: z.string().optional().meta({
    description: "postgres://user:password@host:port/database?sslmode=…; parts below override it.",
  }),
  host: z.string().min(1).optional(),
  port: z.coerce.number().int().min(1).max(65_535).optional(),
  user: z.string().min(1).optional(),
  password: z.string().optional().meta({ description: "Best as ${NAME}, from the environment." }),
  passwordFile: z.string().optional().meta({ description: "Path of a file that holds it." }),
  database: z.string().min(1).optional(),
  tls: tls.optional(),
  slot: z
    .string()
    .regex(SLOT_NAME, "a slot has 1 to 63 of the characters a-z, 0-9 and _")
    .default("changecast")
    .meta({ description: "Replication slot; one per Changecast and database." }),
  publication: z.string().min(1).max(63).default("changecast"),
  createSlot: z.boolean().default(true),
  createPublication: z.boolean().default(true).meta({ description: "And add tables to it." }),
});

type Raw = z.output<typeof options>;

export const postgresOptionsSchema = z.toJSONSchema(options, { io: "input" });

/** The options, or everything that is wrong with them. */
export function parsePostgresOptions(
  raw: unknown,
): { readonly options: PostgresOptions } | { readonly problems: readonly Problem[] } {
  const written = withoutConnector(raw);
  const problems: Problem[] = [];
  let parsed = options.safeParse(written);
  if (!parsed.success) {
    problems.push(...schemaProblems(parsed.error, options, written, []));
    parsed = options.safeParse(withoutUnknownKeys(parsed.error, written));
  }
  if (!parsed.success) {
    // A mistake elsewhere hides none in the address.
    const url = (raw as { readonly url?: unknown } | null | undefined)?.url;
    if (typeof url === "string") parseUrl(url, problems);
    return { problems };
  }
  const connection = targetOf(parsed.data, problems);
  if (connection === undefined || problems.length > 0) return { problems };
  const { slot, publication, createSlot, createPublication } = parsed.data;
  return { options: { connection, slot, publication, createSlot, createPublication } };
}

function withoutConnector(raw: unknown): unknown {
  if (typeof raw !== "object" || raw === null) return raw;
  return Object.fromEntries(Object.entries(raw).filter(([name]) => name !== "connector"));
}

function targetOf(raw: Raw, problems: Problem[]): ConnectionTarget | undefined {
  const url = raw.url === undefined ? undefined : parseUrl(raw.url, problems);
  const password = passwordOf(raw, problems) ?? (url?.password === "" ? undefined : url?.password);
  const part = (name: "host" | "user" | "database", fallback?: string): string => {
    const value = raw[name] ?? url?.[name] ?? fallback ?? "";
    if (value === "" && problems.length === 0) {
      const cure = `Write \`${name}\`, or a \`url\` that holds it.`;
      problems.push(problem(`the ${name} of the database is missing`, cure, []));
    }
    return value;
  };
  return {
    host: part("host", "localhost"),
    port: raw.port ?? url?.port ?? PORT_DEFAULT,
    user: part("user"),
    database: part("database", raw.user ?? url?.user),
    ...(password === undefined ? {} : { password: new Secret(password) }),
    tls: tlsOf(raw, url?.mode, problems),
  };
}

interface UrlParts {
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly password: string;
  readonly database: string | undefined;
  readonly mode: TlsOptions["mode"] | undefined;
}

function parseUrl(text: string, problems: Problem[]): UrlParts | undefined {
  const cure = "Write postgres://user:password@host:port/database; special characters as %XX.";
  // The text is never quoted: it holds the password.
  const refuse = (why: string): undefined => {
    problems.push(problem(`the url of the database ${why}`, cure, ["url"]));
    return undefined;
  };
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return refuse("cannot be read");
  }
  if (!["postgres:", "postgresql:"].includes(url.protocol)) return refuse("is not postgres://");
  const mode = url.searchParams.get("sslmode") ?? undefined;
  if (mode !== undefined && !TLS_MODES.some((known) => known === mode)) {
    return refuse(`has the sslmode "${mode}", not one of ${TLS_MODES.join(", ")}`);
  }
  const other = [...url.searchParams.keys()].find((name) => name !== "sslmode");
  if (other !== undefined) return refuse(`has the parameter "${other}", which is not known`);
  try {
    const given = (part: string): string | undefined =>
      part === "" ? undefined : decodeURIComponent(part);
    return {
      host: given(url.hostname.replace(/^\[(.*)\]$/, "$1")),
      port: url.port === "" ? undefined : Number(url.port),
      user: given(url.username),
      password: decodeURIComponent(url.password),
      database: given(url.pathname.slice(1)),
      mode: TLS_MODES.find((known) => known === mode),
    };
  } catch {
    return refuse("holds a broken %XX");
  }
}

function passwordOf(raw: Raw, problems: Problem[]): string | undefined {
  if (raw.password !== undefined && raw.passwordFile !== undefined) {
    const message = "both password and passwordFile are given";
    problems.push(problem(message, "Leave one of them out.", ["passwordFile"]));
  }
  if (raw.passwordFile === undefined) return raw.password;
  return readText(raw.passwordFile, ["passwordFile"], problems)?.replace(/\r?\n$/, "");
}

function tlsOf(raw: Raw, mode: TlsOptions["mode"] | undefined, problems: Problem[]): TlsOptions {
  const { ca, cert, key, serverName } = raw.tls ?? {};
  const read = (path: string | undefined, name: string): string | undefined =>
    path === undefined ? undefined : readText(path, ["tls", name], problems);
  const texts = { ca: read(ca, "ca"), cert: read(cert, "cert") };
  const keyText = read(key, "key");
  const wanted = raw.tls?.mode ?? mode ?? "prefer";
  if (ca !== undefined && (wanted === "disable" || wanted === "prefer")) {
    const message = `tls.ca is given, and the mode ${wanted} asks for no certificate`;
    problems.push(problem(message, "Set `tls.mode: verify-full`.", ["tls", "ca"]));
  }
  if (serverName !== undefined && wanted !== "verify-full") {
    const message = `tls.serverName is given, and the mode ${wanted} compares no name`;
    problems.push(problem(message, "Set `tls.mode: verify-full`.", ["tls", "serverName"]));
  }
  return {
    // As libpq: whoever names who may sign wants the signature checked.
    mode: wanted === "require" && ca !== undefined ? "verify-ca" : wanted,
    ...(texts.ca === undefined ? {} : { ca: texts.ca }),
    ...(texts.cert === undefined ? {} : { cert: texts.cert }),
    ...(keyText === undefined ? {} : { key: new Secret(keyText) }),
    ...(serverName === undefined ? {} : { serverName }),
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
