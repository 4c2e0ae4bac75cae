/** What one side encodes the other reads, for any entries and any client frames; garbage never gets through. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ChannelEntry, Op } from "../../src/model/entry.js";
import { encodeClientFrame, parseServerMessage } from "../../src/protocol/client-codec.js";
import { parseClientMessage } from "../../src/protocol/codec.js";
import type { ClientFrame } from "../../src/protocol/frames.js";
import { isProtocolError } from "../../src/protocol/protocol-error.js";
import { concatBytes, encodeChanges } from "../../src/protocol/wire-entries.js";

const encoder = new TextEncoder();
const id = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const channel = fc.stringMatching(/^[A-Za-z0-9_\-.:@/+=~!$,;()]{1,40}$/);
const text = fc
  .string({ minLength: 1, maxLength: 30, unit: "grapheme" })
  .filter((s) => s.length < 60);

const from = fc.oneof(
  fc.constantFrom("start" as const, "now" as const),
  fc.record({ last: fc.integer({ min: 1, max: 10_000 }) }),
  fc.record({ epoch: id, serial: id, log: id, run: text }),
);

const frame: fc.Arbitrary<ClientFrame> = fc.oneof(
  fc.record(
    { t: fc.constant("hello" as const), v: id, token: text, client: text },
    { requiredKeys: ["t", "v"] },
  ),
  fc.record({
    t: fc.constant("attach" as const),
    id,
    channels: fc.uniqueArray(
      fc.record({ channel, from, loading: fc.boolean() }, { requiredKeys: ["channel", "from"] }),
      { minLength: 1, maxLength: 8, selector: (item) => item.channel },
    ),
  }),
  fc.record({
    t: fc.constant("detach" as const),
    channels: fc.uniqueArray(channel, { minLength: 1, maxLength: 8 }),
  }),
  fc.record({ t: fc.constant("token" as const), token: text }),
  fc.record({ t: fc.constant("until" as const), id, source: text, position: text }),
  fc.record(
    {
      t: fc.constant("history" as const),
      id,
      channel,
      limit: fc.integer({ min: 1, max: 1_000 }),
      after: id,
    },
    { requiredKeys: ["t", "id", "channel", "limit"] },
  ),
  fc.constant({ t: "ping" as const }),
);

describe("a client's frames", () => {
  test("come back from their message as they were", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 10 }), (frames) => {
        const message = frames.map(encodeClientFrame).join("\n");
        expect(parseClientMessage(message)).toEqual(frames);
      }),
    );
  });

  test("with one value changed to any other are refused by a code, or are still frames", () => {
    fc.assert(
      fc.property(frame, fc.jsonValue(), fc.nat(), (valid, value, pick) => {
        const names = [...Object.keys(valid), "unknown"];
        const name = names[pick % names.length] ?? "t";
        const message = JSON.stringify({ ...valid, [name]: value });
        try {
          expect(parseClientMessage(message)).toEqual([JSON.parse(message)]);
          expect(name).not.toBe("unknown");
        } catch (error) {
          expect(isProtocolError(error), String(error)).toBe(true);
        }
      }),
    );
  });

  test("that are any text at all are refused by a code", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (garbage) => {
        try {
          for (const known of parseClientMessage(garbage)) expect(known.t).toBeTypeOf("string");
        } catch (error) {
          expect(isProtocolError(error)).toBe(true);
        }
      }),
    );
  });
});

const entries = fc
  .array(
    fc.record({
      step: fc.integer({ min: 1, max: 1e6 }),
      logStep: fc.integer({ min: 0, max: 1e9 }),
      index: fc.nat(1e6),
      op: fc.constantFrom<Op>("i", "u", "d", "m", "t", "g"),
      table: fc.constantFrom("t", 'ü"\\', "u"),
      schema: fc.integer({ min: 1, max: 3 }),
      values: fc.array(fc.jsonValue(), { minLength: 1, maxLength: 5 }),
    }),
    { maxLength: 60 },
  )
  .map((drafts) => {
    let serial = 0;
    let log = 1;
    return drafts.map((draft): ChannelEntry & { values: unknown[] } => {
      serial += draft.step;
      log += draft.logStep;
      const isBare = draft.op === "t" || draft.op === "g";
      const body = isBare ? "" : JSON.stringify(draft.values).slice(1, -1);
      const values = isBare ? [] : (JSON.parse(`[${body}]`) as unknown[]);
      return { ...draft, serial, log, body: encoder.encode(body), values };
    });
  });

test("entries of changes come back in order, whole, whatever the size of frames", () => {
  fc.assert(
    fc.property(entries, fc.integer({ min: 1, max: 5_000 }), (given, size) => {
      const message = new TextDecoder().decode(concatBytes(encodeChanges("c", given, size)));
      const found = parseServerMessage(message).flatMap((line) =>
        line.t === "changes"
          ? line.entries.map(([serial, delta, index, op, ...values]) => ({
              ...{ serial, log: line.base + delta, index, op, values },
              ...{ table: line.table, schema: line.schema },
            }))
          : [],
      );
      expect(found).toEqual(
        given.map(({ serial, log, index, op, values, table, schema }) => ({
          ...{ serial, log, index, op, values, table, schema },
        })),
      );
    }),
  );
});
