/** The configuration as the program uses it: every default resolved, every unit in bytes or milliseconds. */
import type { Secret } from "../base/secret.js";
import type { Connector } from "../connector/connector.js";
import type { Rule } from "../rules/rule.js";

export interface Config {
  /** The file's folder: relative paths start here. */
  readonly baseDir: string;
  readonly journal: JournalConfig;
  readonly listen: ListenConfig;
  readonly ops: { readonly host: string; readonly port: number };
  /** Undefined: everybody may read everything, and only loopback listens. */
  readonly auth: AuthConfig | undefined;
  readonly log: LogConfig;
  readonly limits: LimitsConfig;
  /** By name, in the order of the file. */
  readonly sources: ReadonlyMap<string, SourceConfig>;
  readonly rules: readonly Rule[];
}

export interface JournalConfig {
  /** The YAML knows `lmdb` only; tests use `memory`. */
  readonly kind: "lmdb" | "memory";
  /** Absolute. */
  readonly path: string;
  readonly mapSizeGb: number;
  readonly memoryMb: number;
  readonly retention: RetentionConfig;
}

export interface RetentionConfig {
  readonly blocks: { readonly ageMs: number; readonly bytes: number };
  /** `count`: entries per channel. */
  readonly events: { readonly ageMs: number; readonly bytes: number; readonly count: number };
  readonly tombstones: { readonly ageMs: number };
}

export interface ListenConfig {
  readonly host: string;
  readonly port: number;
  /** Undefined: not restricted by the configuration. */
  readonly origins: readonly string[] | undefined;
  /** Absolute. */
  readonly pages: string | undefined;
}

export interface AuthConfig {
  readonly keys: readonly KeyConfig[];
  readonly jwt: JwtConfig | undefined;
}

export interface KeyConfig {
  readonly name: string | undefined;
  readonly key: Secret;
  readonly channels: readonly string[];
}

export interface JwtConfig {
  readonly secret: Secret;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly channelsClaim: string;
}

export interface LogConfig {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "auto" | "json" | "pretty";
}

/** Only what the file sets; the broker has the defaults. Names as in the broker's limits. */
export interface LimitsConfig {
  readonly sessionsMax?: number;
  readonly sessionsPerAddressMax?: number;
  readonly channelsMax?: number;
  readonly messageBytesMax?: number;
  readonly socketBytesMax?: number;
  readonly heartbeatMs?: number;
  readonly helloMs?: number;
  readonly staleAfterMs?: number;
  readonly drainMs?: number;
}

export interface SourceConfig {
  readonly name: string;
  readonly connector: Connector;
  /** What the connector made of its options; may hold a password. */
  readonly options: Secret<unknown>;
}
