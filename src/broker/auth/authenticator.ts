/**
 * Says what a token allows: an API key or a JWT (HS256 only, `exp` demanded). Keeps hashes of keys, never
 * the keys, and looks at all of them, so that time tells nothing. Never logs a token.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { errors as joseErrors, jwtVerify } from "jose";
import type { JWTPayload, JWTVerifyOptions } from "jose";
import type { Clock } from "../../base/clock.js";
import { AppError } from "../../base/errors.js";
import { isChannelPattern } from "../../model/channel.js";
import { openGrant } from "./grant.js";
import type { Grant } from "./grant.js";

/** Below it a key can be guessed. */
const KEY_CHARS_MIN = 16;

/** RFC 7518 §3.2: an HS256 secret is at least as long as its hash. */
const SECRET_BYTES_MIN = 32;

/** Patterns of one token: each attach is held against all of them. */
const PATTERNS_MAX = 100;

/** Clocks of servers differ by this much. */
const CLOCK_TOLERANCE_S = 5;

export interface AuthOptions {
  readonly keys?: readonly ApiKey[];
  readonly jwt?: JwtOptions;
}

export interface ApiKey {
  readonly key: string;
  /** Channel patterns. */
  readonly channels: readonly string[];
}

export interface JwtOptions {
  /** Shared secret of HS256, at least 32 bytes of UTF-8. */
  readonly secret: string;
  /** When given, `iss` must equal it. */
  readonly issuer?: string;
  /** When given, `aud` must hold it. */
  readonly audience?: string;
  /** Name of the claim with the list of channel patterns; default `channels`. */
  readonly claim?: string;
}

export interface Authenticator {
  /** Throws, or rejects with, AUTH_REQUIRED, AUTH_TOKEN_INVALID or AUTH_TOKEN_EXPIRED. A promise only where it takes time. */
  verify(token: string | undefined): Grant | Promise<Grant>;
}

/** Without options everybody is let in; throws AUTH_SECRET_WEAK for keys that are no protection. */
export function createAuthenticator(options: AuthOptions | undefined, clock: Clock): Authenticator {
  if (options === undefined) return { verify: () => openGrant };
  const keys = (options.keys ?? []).map(hashKey);
  const { jwt } = options;
  const verifyJwt = jwt === undefined ? undefined : jwtVerifier(jwt, clock);
  return {
    verify: (token) => {
      if (token === undefined) throw new AppError("AUTH_REQUIRED", "hello: it holds no token");
      const found = findKey(keys, token);
      if (found !== undefined) return found;
      if (verifyJwt === undefined) throw invalid("it is no known key");
      return verifyJwt(token);
    },
  };
}

interface HashedKey {
  readonly hash: Buffer;
  readonly grant: Grant;
}

function hashKey(entry: ApiKey, index: number): HashedKey {
  const bad = entry.channels.find((pattern) => !isChannelPattern(pattern));
  if (bad !== undefined) {
    throw weak(`auth.keys[${index}]: ${JSON.stringify(bad)} is not a channel pattern`);
  }
  if (entry.key.length < KEY_CHARS_MIN) {
    throw weak(`auth.keys[${index}]: the key has less than ${KEY_CHARS_MIN} characters`);
  }
  const grant: Grant = { channels: entry.channels, expiresAt: undefined, subject: `key ${index}` };
  return { hash: sha256(entry.key), grant };
}

function findKey(keys: readonly HashedKey[], token: string): Grant | undefined {
  const hash = sha256(token);
  let found: Grant | undefined;
  for (const key of keys) if (timingSafeEqual(key.hash, hash)) found = key.grant;
  return found;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function jwtVerifier(options: JwtOptions, clock: Clock): (token: string) => Promise<Grant> {
  const secret = new TextEncoder().encode(options.secret);
  if (secret.length < SECRET_BYTES_MIN) {
    throw weak(`auth.jwt.secret: it has less than ${SECRET_BYTES_MIN} bytes`);
  }
  const claim = options.claim ?? "channels";
  const rules: JWTVerifyOptions = {
    algorithms: ["HS256"],
    requiredClaims: ["exp"],
    clockTolerance: CLOCK_TOLERANCE_S,
    ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
    ...(options.audience === undefined ? {} : { audience: options.audience }),
  };
  return async (token) => {
    try {
      const verified = await jwtVerify(token, secret, {
        ...rules,
        currentDate: new Date(clock.now()),
      });
      return grantOf(verified.payload, claim);
    } catch (error) {
      if (error instanceof AppError) throw error;
      if (error instanceof joseErrors.JWTExpired) {
        throw new AppError("AUTH_TOKEN_EXPIRED", "verifying a token: its exp has passed");
      }
      // The library's words name claims and algorithms, never the token's content.
      if (error instanceof joseErrors.JOSEError) throw invalid(`it failed ${error.code}`);
      throw error;
    }
  };
}

function grantOf(payload: JWTPayload, claim: string): Grant {
  const channels = payload[claim];
  if (!Array.isArray(channels) || channels.length > PATTERNS_MAX) {
    throw invalid(`its claim ${claim} is not a list of at most ${PATTERNS_MAX} patterns`);
  }
  const patterns: string[] = [];
  for (const pattern of channels as unknown[]) {
    if (typeof pattern !== "string" || !isChannelPattern(pattern)) {
      throw invalid(`its claim ${claim} holds something that is not a channel pattern`);
    }
    patterns.push(pattern);
  }
  return {
    channels: patterns,
    expiresAt: payload.exp === undefined ? undefined : payload.exp * 1_000,
    subject: payload.sub,
  };
}

function invalid(found: string): AppError {
  return new AppError("AUTH_TOKEN_INVALID", `verifying a token: ${found}`);
}

function weak(found: string): AppError {
  return new AppError("AUTH_SECRET_WEAK", `reading the keys that let clients in: ${found}`);
}
