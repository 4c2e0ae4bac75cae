/**
 * The configuration file in one literal: types, defaults, bounds and the prose of the published JSON
 * schema (config/changecast.schema.json). What a source's options are is its connector's business.
 */
import { z } from "zod";
import { isChannelPattern } from "../model/channel.js";
import { rulesDefinition } from "../rules/definition.js";
import { DURATION_HELP, parseDuration, parseSize, SIZE_HELP } from "./units.js";

const duration = z
  .string()
  .refine((text) => parseDuration(text) !== undefined, `must be ${DURATION_HELP}`);
const size = z.string().refine((text) => parseSize(text) !== undefined, `must be ${SIZE_HELP}`);

/** A number may come from the environment, where everything is text. */
const count = (min: number, max: number) =>
  z.union([
    z.int().min(min).max(max),
    z
      .string()
      .regex(/^\d+$/, "must be a whole number")
      .refine(
        (text) => Number(text) >= min && Number(text) <= max,
        `must be between ${min} and ${max}`,
      ),
  ]);

const channelPatterns = z
  .array(
    z.string().refine(isChannelPattern, "must be a channel name in which * stands for any text"),
  )
  .min(1)
  .max(100);

const host = z.string().min(1).max(255);
const port = count(0, 65_535);

const retention = z.strictObject({
  blocks: z
    .strictObject({
      age: duration.default("1h").meta({ description: "Blocks older than this may go." }),
      bytes: size.default("1GiB").meta({ description: "Above this the oldest blocks go." }),
    })
    .prefault({})
    .meta({ description: "The journal's blocks, once everything in them is indexed." }),
  events: z
    .strictObject({
      age: duration.default("7d").meta({ description: "Entries older than this go." }),
      bytes: size.default("10GiB").meta({ description: "Of each `events` channel." }),
      count: count(1, 1_000_000_000)
        .default(1_000_000)
        .meta({ description: "Entries that each channel keeps." }),
    })
    .prefault({})
    .meta({ description: "History of `events` channels; `state` content is never dropped." }),
  tombstones: z
    .strictObject({
      age: duration
        .default("30d")
        .meta({ description: "A client offline for longer gets a snapshot instead of a delta." }),
    })
    .prefault({})
    .meta({ description: "Deletions that long-offline clients may still need." }),
});

export const journalSchema = z
  .strictObject({
    path: z.string().min(1).default("./changecast-journal").meta({
      description: "Folder of the journal; relative to this file.",
    }),
    mapSizeGb: count(1, 16_384).default(64).meta({
      description: "Largest size that the journal can grow to; address space, not memory.",
    }),
    memoryMb: count(8, 65_536).default(32).meta({
      description:
        "Changes that wait in memory until they are merged into the tables on disk: more of them, fewer writes.",
    }),
    retention: retention.prefault({}).meta({ description: "How long history is kept." }),
  })
  .prefault({})
  .meta({ description: "Where and how long the journal keeps what it read." });

export const listenSchema = z
  .strictObject({
    host: host.default("127.0.0.1"),
    port: port.default(7070),
    origins: z.array(z.url()).min(1).max(100).optional().meta({
      description: "Web origins whose pages may connect, e.g. https://app.example.com.",
    }),
    pages: z.string().min(1).optional().meta({
      description: "A folder of web pages to serve on the same port, read once at the start.",
    }),
  })
  .prefault({})
  .meta({ description: "Where clients connect: a WebSocket at /v1." });

export const opsSchema = z
  .strictObject({ host: host.default("127.0.0.1"), port: port.default(7071) })
  .prefault({})
  .meta({ description: "For operators: /healthz, /readyz, /freshz, /metrics." });

const secretFields = { key: z.string().min(1), keyFile: z.string().min(1) };

export const authSchema = z
  .strictObject({
    keys: z
      .array(
        z
          .strictObject({
            name: z.string().min(1).max(100).optional(),
            key: secretFields.key.optional().meta({
              description: 'The key itself, best as "${NAME}" from the environment.',
            }),
            keyFile: secretFields.keyFile
              .optional()
              .meta({ description: "File that holds the key." }),
            channels: channelPatterns.meta({ description: "What the key may read." }),
          })
          .refine((each) => (each.key === undefined) !== (each.keyFile === undefined), {
            message: "needs either key or keyFile",
          }),
      )
      .min(1)
      .max(1_000)
      .optional(),
    jwt: z
      .strictObject({
        secret: z
          .string()
          .min(1)
          .optional()
          .meta({ description: "Shared HS256 secret, ≥ 32 bytes." }),
        secretFile: z
          .string()
          .min(1)
          .optional()
          .meta({ description: "File that holds the secret." }),
        issuer: z.string().min(1).optional(),
        audience: z.string().min(1).optional(),
        channelsClaim: z
          .string()
          .min(1)
          .default("channels")
          .meta({ description: "Claim that lists the channel patterns." }),
      })
      .refine((each) => (each.secret === undefined) !== (each.secretFile === undefined), {
        message: "needs either secret or secretFile",
      })
      .optional(),
  })
  .refine((auth) => auth.keys !== undefined || auth.jwt !== undefined, {
    message: "needs keys or jwt",
  })
  .meta({ description: "Who may read which channels. Without it only this machine is served." });

export const logSchema = z
  .strictObject({
    level: z.enum(["debug", "info", "warn", "error"]).default("info"),
    format: z.enum(["auto", "json", "pretty"]).default("auto").meta({
      description: "`auto`: pretty on a terminal, else JSON.",
    }),
  })
  .prefault({})
  .meta({ description: "What is logged, and how." });

export const limitsSchema = z
  .strictObject({
    sessions: count(1, 10_000_000).optional().meta({ description: "Connected clients." }),
    sessionsPerAddress: count(1, 10_000_000).optional(),
    channelsPerSession: count(1, 100_000).optional(),
    frameBytes: size.optional().meta({ description: "One message of a client." }),
    bufferedBytes: size.optional().meta({
      description: "Above this in a socket its session waits and gets a delta instead.",
    }),
    heartbeat: duration.optional(),
    hello: duration.optional(),
    staleAfter: duration.optional().meta({
      description: "Clients are told that data is stale when a source was not read for this long.",
    }),
    drain: duration.optional().meta({ description: "Time that clients get to leave at a stop." }),
  })
  .prefault({})
  .meta({ description: "Bounds of the broker; defaults suit most." });

export const sourceName = z
  .string()
  .min(1)
  .max(60)
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, "letters, digits, _ and - only");

export const sourceSchema = z
  .looseObject({
    connector: z.string().min(1).max(214).meta({
      description: "A built-in connector, or the name of a package that exports `connector`.",
    }),
  })
  .meta({ description: "One database, with the options of its connector." });

export const configSchema = z
  .strictObject({
    journal: journalSchema,
    listen: listenSchema,
    ops: opsSchema,
    auth: authSchema.optional(),
    log: logSchema,
    limits: limitsSchema,
    sources: z
      .record(sourceName, sourceSchema)
      .refine((sources) => Object.keys(sources).length > 0, "needs at least one source")
      .meta({ description: "The databases that are tailed, by name." }),
    rules: rulesDefinition.meta({ description: "What goes from which table to which channels." }),
  })
  .meta({ title: "Changecast configuration" });
