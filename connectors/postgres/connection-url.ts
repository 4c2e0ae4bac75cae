/**
 * Reads a connection URL as libpq writes it, as far as it can mean the same here: one host, and of the
 * parameters those for TLS and the place. What would be dropped in silence is refused. Never quotes the
 * URL: it may hold a password.
 */
import type { TlsMode } from "./connection.js";

export interface UrlParts {
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly tlsMode?: TlsMode;
}

export interface UrlFault {
  readonly message: string;
  readonly cure: string;
}

const FORM =
  "Write postgres://user:password@host:port/database; letters like @ : / # as %40 %3A %2F %23.";

/** Said by other tools, and without a meaning for us. */
const IGNORED = new Set(["application_name", "connect_timeout", "gssencmode", "channel_binding"]);

const SSL_MODES: Readonly<Record<string, TlsMode>> = {
  ...{ disable: "disable", allow: "prefer", prefer: "prefer", require: "require" },
  ...{ "verify-ca": "verify-ca", "verify-full": "verify-full" },
};

export function parseConnectionUrl(
  text: string,
): UrlParts | { readonly faults: readonly UrlFault[] } {
  const url = parsed(text);
  if (url === undefined) {
    return { faults: [{ message: "the URL is not one of a Postgres database", cure: FORM }] };
  }
  const parts: Mutable<UrlParts> = {};
  const faults: UrlFault[] = [];
  for (const [key, value] of url.searchParams) {
    const fault = takeParameter(parts, key, value);
    if (fault !== undefined) faults.push(fault);
  }
  const encoded = { user: url.username, password: url.password, database: url.pathname.slice(1) };
  for (const [key, value] of Object.entries(encoded)) {
    if (value === "") continue;
    const decoded = decodedText(value);
    if (decoded === undefined) {
      faults.push({
        message: `the ${key} in the URL holds a % that stands for nothing`,
        cure: FORM,
      });
    } else parts[key as "user" | "password" | "database"] = decoded;
  }
  // An address of IPv6 stands in brackets only in a URL.
  if (url.hostname !== "") parts.host = decodedText(url.hostname.replace(/^\[(.*)\]$/, "$1")) ?? "";
  if (url.port !== "") parts.port = Number(url.port);
  return faults.length === 0 ? parts : { faults };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function parsed(text: string): URL | undefined {
  // Postgres URLs may leave the host out, which a URL without a special scheme may not with a user.
  if (!/^postgres(ql)?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text);
}

function takeParameter(parts: Mutable<UrlParts>, key: string, value: string): UrlFault | undefined {
  if (IGNORED.has(key)) return undefined;
  if (key === "sslmode") {
    const mode = SSL_MODES[value];
    if (mode !== undefined) parts.tlsMode = mode;
    const cure = `Write one of ${Object.keys(SSL_MODES).join(", ")}.`;
    return mode === undefined ? { message: "the URL's sslmode is not known", cure } : undefined;
  }
  if (key === "host" || key === "user" || key === "password") {
    parts[key] = value;
    return undefined;
  }
  if (key === "dbname") {
    parts.database = value;
    return undefined;
  }
  if (key === "port" && /^\d{1,5}$/.test(value)) {
    parts.port = Number(value);
    return undefined;
  }
  const message = `the URL's parameter "${key}" is not understood`;
  if (/^ssl/.test(key)) {
    const cure = "Take it out of the URL; `tls` takes PEM texts as ca, cert and key.";
    return { message, cure };
  }
  return { message, cure: "Take it out of the URL." };
}

function decodedText(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
