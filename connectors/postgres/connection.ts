/**
 * Ordinary connections to Postgres, and what their failures are called. Every session gets the settings
 * that make values print the same way whatever the role's or the database's defaults are. Result values
 * stay the text that Postgres printed: the driver's own parsers lose microseconds, digits and bounds.
 */
import pg from "pg";
import type { Client, ClientConfig, CustomTypesConfig } from "pg";
import type { Socket } from "node:net";
import { checkServerIdentity } from "node:tls";
import type { ConnectionOptions as TlsSettings } from "node:tls";
import { raceAbort } from "../../src/base/abort.js";
import { systemClock } from "../../src/base/clock.js";
import type { Clock } from "../../src/base/clock.js";
import { AppError, errorText } from "../../src/base/errors.js";
import type { Secret } from "../../src/base/secret.js";
import type { ErrorCode } from "../../src/base/error-catalogue.js";

/** A connection that is not there after this long is tried again by whoever supervises us. */
const CONNECT_TIMEOUT_MS = 15_000;

const END_TIMEOUT_MS = 1_000;

/** Text of values depends on these; the copy and the stream must agree on them. No statement may wait for ever for a lock. */
const SESSION_SETTINGS = [
  "datestyle=ISO",
  "intervalstyle=iso_8601",
  "extra_float_digits=3",
  "bytea_output=hex",
  "TimeZone=UTC",
  "search_path=pg_catalog",
  "lc_monetary=C",
  "xmloption=content",
  "statement_timeout=0",
  "lock_timeout=10s",
  "idle_in_transaction_session_timeout=0",
];

/** As libpq's `sslmode`. */
export type TlsMode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

export interface TlsOptions {
  readonly mode: TlsMode;
  /** PEM texts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: Secret;
  /** Name that the certificate must carry in `verify-full`, when it is not `host`. */
  readonly serverName?: string;
}

/** Where the database is, and who we are there. */
export interface ConnectionTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly password?: Secret | undefined;
  readonly tls: TlsOptions;
}

/** What every part that connects needs of the options. */
export interface Connecting {
  readonly connection: ConnectionTarget;
  /** A statement that takes longer fails, and its connection is of no use any more. */
  readonly queryTimeoutMs?: number;
}

/**
 * A connected client whose values are all text; `end` it. Rejects with an AppError (`failureOf`) or the
 * signal's reason; `replication` makes it a walsender's. A connection that breaks later emits `error`, which somebody listens to here.
 */
export async function connect(
  options: Connecting,
  signal: AbortSignal,
  applicationName: string,
  replication?: "database",
): Promise<Client> {
  const { connection, queryTimeoutMs } = options;
  const more: ClientConfig & { replication?: string } = {};
  if (queryTimeoutMs !== undefined) more.query_timeout = queryTimeoutMs;
  // The driver takes it, its types do not know it.
  if (replication !== undefined) more.replication = replication;
  const connecting = connectAsTold(connection, applicationName, more);
  try {
    return await raceAbort(connecting, signal, (late) => {
      endClient(late).catch(() => undefined);
    });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw failureOf(error, `connecting to ${placeOf(options)}`);
  }
}

/** The settings of a driver's client, for ordinary connections and the stream's. */
export function clientConfig(
  target: ConnectionTarget,
  applicationName: string,
  isSecure = target.tls.mode !== "disable",
): ClientConfig {
  const { host, port, user, database, password } = target;
  const config: ClientConfig = {
    ...{ host, port, user, database },
    // NAMEDATALEN is 64: the server cuts longer names with a notice.
    application_name: applicationName.slice(0, 63),
    options: SESSION_SETTINGS.map((setting) => `-c ${setting}`).join(" "),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types: textOnly,
    ssl: isSecure ? tlsSettings(target) : false,
  };
  if (password !== undefined) config.password = password.reveal();
  return config;
}

/** Ends a connection whatever its state; a silent peer does not hold it longer than a second. Never rejects. */
export async function endClient(client: Client, clock: Clock = systemClock): Promise<void> {
  const { stream } = socketOf(client);
  const cancel = clock.after(END_TIMEOUT_MS, () => {
    stream.destroy();
  });
  try {
    await client.end();
  } catch {
    // It had ended by itself.
  } finally {
    cancel();
    stream.destroy();
  }
}

/** The driver's inner connection: what it does not show of its protocol and its socket. */
export interface InnerConnection {
  readonly stream: Socket;
  /** The server has begun to stream. */
  once(event: "replicationStart", listener: () => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
  /** Ends our side of a COPY. */
  endCopyFrom(): void;
}

export function socketOf(client: Client): InnerConnection {
  return (client as unknown as { readonly connection: InnerConnection }).connection;
}

/** `host:port/database`, for messages. */
export function placeOf({ connection }: Connecting): string {
  return `${connection.host}:${String(connection.port)}/${connection.database}`;
}

/** What Postgres says of a failed statement, if the failure came from it. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** Any failure of the driver as an AppError; AppErrors stay. `doing` begins the message. */
export function failureOf(error: unknown, doing: string): AppError {
  if (error instanceof AppError) return error;
  const state = sqlStateOf(error);
  const text = errorText(error);
  const said = state === undefined ? text : `${text} (${state})`;
  const code = state === undefined ? withoutState(error) : codeOfState(state);
  return new AppError(code, `${doing}: ${said}`, { cause: error, context: { sqlState: state } });
}

const textOnly: CustomTypesConfig = { getTypeParser: () => (text: unknown) => text };

async function connectAsTold(
  target: ConnectionTarget,
  name: string,
  more: ClientConfig,
): Promise<Client> {
  try {
    return await connectOnce({ ...clientConfig(target, name), ...more });
  } catch (error) {
    const isPlain = target.tls.mode === "prefer" && /does not support SSL/i.test(errorText(error));
    if (!isPlain) throw error;
    return connectOnce({ ...clientConfig(target, name, false), ...more });
  }
}

async function connectOnce(config: ClientConfig): Promise<Client> {
  const client = new pg.Client(config);
  // A broken idle connection shows at its next statement; unheard, the event would end the process.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    await endClient(client);
    throw error;
  }
}

/** The name of SNI is the driver's to set: the host, where it is not an address. */
function tlsSettings({ tls }: ConnectionTarget): TlsSettings {
  const settings: TlsSettings = {
    rejectUnauthorized: tls.mode === "verify-ca" || tls.mode === "verify-full",
  };
  if (tls.ca !== undefined) settings.ca = tls.ca;
  if (tls.cert !== undefined) settings.cert = tls.cert;
  if (tls.key !== undefined) settings.key = tls.key.reveal();
  const { serverName } = tls;
  // libpq's verify-ca: the chain counts, the name does not.
  if (tls.mode === "verify-ca") settings.checkServerIdentity = () => undefined;
  else if (serverName !== undefined) {
    settings.checkServerIdentity = (_, certificate) => checkServerIdentity(serverName, certificate);
  }
  return settings;
}

function codeOfState(state: string): ErrorCode {
  if (state.startsWith("28") || state === "3D000") return "POSTGRES_LOGIN_REFUSED";
  if (state === "42501") return "POSTGRES_PRIVILEGE_MISSING";
  if (state.startsWith("08") || state.startsWith("57P")) return "CONNECTOR_CONNECTION_LOST";
  if (state.startsWith("53")) return "POSTGRES_UNREACHABLE";
  return "POSTGRES_STATEMENT_FAILED";
}

function withoutState(error: unknown): ErrorCode {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  const neverThere = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ETIMEDOUT"];
  if (typeof code === "string" && neverThere.includes(code)) return "POSTGRES_UNREACHABLE";
  if (typeof code === "string" && /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return "POSTGRES_LOGIN_REFUSED";
  }
  const text = errorText(error);
  if (/SSL|certificate|SASL|password/i.test(text)) return "POSTGRES_LOGIN_REFUSED";
  return /timeout/i.test(text) ? "POSTGRES_UNREACHABLE" : "CONNECTOR_CONNECTION_LOST";
}
