/** Answers `history`: pages of what an `events` channel retains. Independent of attachments. */
import { errorText } from "../base/errors.js";
import type { ErrorCode } from "../base/error-catalogue.js";
import type { HistoryFrame } from "../protocol/frames.js";
import { HISTORY_BYTES_MAX } from "../protocol/limits.js";
import { concatBytes, encodeGroups } from "../protocol/wire-entries.js";
import { errorFrame } from "./error-frame.js";
import { covers } from "./auth/grant.js";
import type { BrokerContext } from "./broker-context.js";
import { RateLimit } from "./rate-limit.js";
import { addSchemaKeys } from "./schema-frames.js";
import type { SchemaKey } from "./schema-frames.js";
import type { Session } from "./session.js";
import { encodeLine, packLines } from "./wire-message.js";

/** Answers of one session that are being made: each may hold a page in memory. */
const ANSWERS_MAX = 4;

/** When to ask again while ANSWERS_MAX are being made. */
const RETRY_MS = 100;

export class HistoryDesk {
  readonly #session: Session;
  readonly #context: BrokerContext;
  readonly #rate: RateLimit;
  #making = 0;

  constructor(session: Session, context: BrokerContext) {
    this.#session = session;
    this.#context = context;
    this.#rate = new RateLimit(context.limits.histories, context.clock);
  }

  answer(frame: HistoryFrame): void {
    if (!covers(this.#session.grant, frame.channel)) {
      this.#refuse(frame, "AUTH_CHANNEL_FORBIDDEN", "the token does not cover the channel");
      return;
    }
    const retryInMs = this.#making >= ANSWERS_MAX ? RETRY_MS : this.#rate.take(1);
    if (retryInMs > 0) {
      this.#refuse(frame, "BROKER_RATE_LIMITED", "too many requests at once", retryInMs);
      return;
    }
    this.#making += 1;
    this.#make(frame)
      .catch((error: unknown) => {
        this.#context.log.error("history.failed", {
          channel: frame.channel,
          error: errorText(error),
        });
        this.#session.close("BROKER_INTERNAL", "history: the server failed");
      })
      .finally(() => {
        this.#making -= 1;
      })
      .catch(this.#context.fail);
  }

  async #make(frame: HistoryFrame): Promise<void> {
    const { reader, reads, schemas } = this.#context;
    const { id, channel, before, after, limit } = frame;
    const head = await reader.head(channel);
    if (head?.kind === "state") {
      this.#refuse(frame, "BROKER_CHANNEL_KIND", "the channel is of kind state");
      return;
    }
    const request = {
      channel,
      limit,
      bytesMax: HISTORY_BYTES_MAX,
      ...(after === undefined ? {} : { after }),
      ...(before === undefined ? {} : { before }),
      // Neither: the newest, which stand below the serial that comes next.
      ...(after === undefined && before === undefined ? { before: (head?.serial ?? 0) + 1 } : {}),
    };
    await this.#session.drained();
    const page = await reads.use(() => reader.history(request));
    const keys = new Set<SchemaKey>();
    addSchemaKeys(page.entries, keys);
    await schemas.load(keys);
    const lines: Uint8Array[] = [];
    this.#session.addSchemas(keys, lines);
    const start = JSON.stringify({
      t: "historyPage",
      id,
      channel,
      epoch: page.epoch,
      floor: page.floor,
      head: page.head,
      more: page.more,
    }).slice(0, -1);
    lines.push(
      concatBytes([
        encodeLine(`${start},"groups":[`),
        ...encodeGroups(page.entries),
        encodeLine("]}\n"),
      ]),
    );
    const messages = packLines(lines);
    let bytes = 0;
    for (const message of messages) bytes += message.bytes;
    this.#session.send(messages, page.entries.length, bytes);
  }

  #refuse(frame: HistoryFrame, code: ErrorCode, found: string, retryInMs?: number): void {
    this.#session.sendFrame(
      errorFrame({
        code,
        message: `history: ${found}`,
        id: frame.id,
        ...(retryInMs === undefined ? {} : { retryInMs }),
      }),
    );
  }
}
