/**
 * What a client says, in order: parsed, held against its rates, and handed on. While a token is being
 * verified the rest waits and the socket is not read, so what waits is bound by what one read brings.
 */
import type { ErrorCode } from "../base/error-catalogue.js";
import { AppError, errorText } from "../base/errors.js";
import { parseClientMessage } from "../protocol/codec.js";
import type { ClientFrame } from "../protocol/frames.js";
import { HELLO_BYTES_MAX } from "../protocol/limits.js";
import type { BrokerContext } from "./broker-context.js";
import { RateLimit } from "./rate-limit.js";
import { SessionRequests } from "./session-requests.js";
import type { Session } from "./session.js";
import { isOpen, isOver } from "./session-state.js";

export class SessionInbox {
  readonly #session: Session;
  readonly #context: BrokerContext;
  readonly #requests: SessionRequests;
  readonly #rate: RateLimit;
  /** Undefined while nothing waits, which is most of the time. */
  #waiting: ClientFrame[] | undefined;
  #busy = false;

  constructor(session: Session, context: BrokerContext) {
    this.#session = session;
    this.#context = context;
    this.#requests = new SessionRequests(session, context);
    this.#rate = new RateLimit(context.limits.frames, context.clock);
  }

  take(text: string, bytes: number): void {
    const bytesMax = isOpen(this.#session.phase)
      ? this.#context.limits.messageBytesMax
      : Math.min(HELLO_BYTES_MAX, this.#context.limits.messageBytesMax);
    if (bytes > bytesMax) {
      const message = `reading a message: it has ${bytes} bytes, at most ${bytesMax} are taken`;
      this.#session.close("PROTOCOL_SIZE", message);
      return;
    }
    const frames = this.#parse(text);
    if (frames === undefined) return;
    const retryInMs = this.#rate.take(Math.max(1, frames.length));
    if (retryInMs > 0) {
      const message = "reading frames: they come faster than a session may send";
      this.#session.close("BROKER_RATE_LIMITED", message, { retryInMs });
      return;
    }
    this.#waiting = this.#waiting === undefined ? frames : [...this.#waiting, ...frames];
    if (!this.#busy) this.#work();
  }

  #parse(text: string): ClientFrame[] | undefined {
    try {
      return parseClientMessage(text);
    } catch (error) {
      this.#end(error);
      return undefined;
    }
  }

  #work(): void {
    while (!this.#busy && !isOver(this.#session.phase)) {
      const frame = this.#waiting?.shift();
      if (frame === undefined) {
        this.#waiting = undefined;
        return;
      }
      const work = this.#handle(frame);
      if (work === undefined) continue;
      this.#busy = true;
      this.#session.socket.pause();
      work.then(
        () => {
          this.#goOn();
        },
        (error: unknown) => {
          this.#end(error);
          this.#goOn();
        },
      );
    }
  }

  #goOn(): void {
    this.#busy = false;
    this.#session.socket.resume();
    this.#work();
  }

  #handle(frame: ClientFrame): Promise<void> | undefined {
    try {
      return this.#requests.handle(frame);
    } catch (error) {
      this.#end(error);
      return undefined;
    }
  }

  /** A refusal of the client's closes its session with its code; anything else is ours. */
  #end(error: unknown): void {
    if (error instanceof AppError && closes(error.code)) {
      this.#session.close(error.code, error.message);
      return;
    }
    this.#context.log.error("session.failed", {
      session: this.#session.id,
      error: errorText(error),
    });
    this.#session.close("BROKER_INTERNAL", "handling a frame: the server failed");
  }
}

function closes(code: ErrorCode): boolean {
  return code.startsWith("PROTOCOL_") || code.startsWith("AUTH_");
}
