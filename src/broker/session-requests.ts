/**
 * What each client frame does. Throws a ProtocolError where a frame may not come now; refusals that leave
 * the session open are sent as `error` frames.
 */
import { unreachable } from "../base/assert.js";
import type { ErrorCode } from "../base/error-catalogue.js";
import { AppError } from "../base/errors.js";
import { closeCodes } from "../protocol/close-codes.js";
import { encodeServerFrame } from "../protocol/codec.js";
import type {
  AttachChannel,
  AttachFrame,
  ClientFrame,
  DetachFrame,
  HelloFrame,
  TokenFrame,
  UntilFrame,
} from "../protocol/frames.js";
import { PROTOCOL_VERSION } from "../protocol/frames.js";
import { ATTACH_CHANNELS_MAX, HISTORY_LIMIT_MAX, UNTIL_WAITING_MAX } from "../protocol/limits.js";
import { protocolError } from "../protocol/protocol-error.js";
import { errorFrame } from "./error-frame.js";
import { covers } from "./auth/grant.js";
import type { Grant } from "./auth/grant.js";
import type { BrokerContext } from "./broker-context.js";
import { HistoryDesk } from "./history-desk.js";
import { RateLimit } from "./rate-limit.js";
import type { Session } from "./session.js";
import { textMessage } from "./wire-message.js";

const pong = textMessage(encodeServerFrame({ t: "pong" }));

export class SessionRequests {
  readonly #session: Session;
  readonly #context: BrokerContext;
  #attaches: RateLimit | undefined;
  #history: HistoryDesk | undefined;
  #lastId = -1;

  constructor(session: Session, context: BrokerContext) {
    this.#session = session;
    this.#context = context;
  }

  /** A promise where the frames behind it must wait. */
  handle(frame: ClientFrame): Promise<void> | undefined {
    if (this.#session.phase === "greeting") {
      if (frame.t === "hello") return this.#hello(frame);
      throw protocolError("PROTOCOL_ORDER", `opening a session: ${frame.t} came before hello`);
    }
    switch (frame.t) {
      case "hello":
        throw protocolError("PROTOCOL_ORDER", "hello: the session has had one");
      case "token":
        return this.#renew(frame);
      case "attach":
        this.#attach(frame);
        return undefined;
      case "detach":
        this.#detach(frame);
        return undefined;
      case "history":
        this.#rise(frame.id);
        this.#history ??= new HistoryDesk(this.#session, this.#context);
        this.#history.answer(frame);
        return undefined;
      case "until":
        this.#until(frame);
        return undefined;
      case "ping":
        this.#session.send([pong], 0, pong.bytes);
        return undefined;
      default:
        return unreachable(frame);
    }
  }

  #hello(frame: HelloFrame): Promise<void> | undefined {
    this.#session.step("hello");
    if (frame.v !== PROTOCOL_VERSION) {
      const message = `hello: version ${frame.v} is not spoken, ${PROTOCOL_VERSION} is`;
      throw protocolError("PROTOCOL_VERSION", message);
    }
    const grant = this.#context.authenticator.verify(frame.token);
    if (grant instanceof Promise) {
      return grant.then((verified) => {
        this.#welcome(verified, frame.client);
      });
    }
    this.#welcome(grant, frame.client);
    return undefined;
  }

  #welcome(grant: Grant, client: string | undefined): void {
    const session = this.#session;
    const { clock, limits, log, reader, wheel, freshness } = this.#context;
    if (session.phase !== "verifying") return;
    if (grant.channels.length === 0) {
      const hint = { close: closeCodes.FORBIDDEN };
      session.close("AUTH_CHANNEL_FORBIDDEN", "hello: the token allows no channel", hint);
      return;
    }
    session.grant = grant;
    session.step("accepted");
    this.#context.unknown.delete(session);
    const { expiresAt, subject } = grant;
    session.sendFrame({
      t: "welcome",
      v: PROTOCOL_VERSION,
      session: session.id,
      run: reader.notice.run,
      heartbeatMs: limits.heartbeatMs,
      limits: {
        frameBytesMax: limits.messageBytesMax,
        channelsMax: limits.channelsMax,
        attachChannelsMax: ATTACH_CHANNELS_MAX,
        historyLimitMax: HISTORY_LIMIT_MAX,
      },
      ...(expiresAt === undefined ? {} : { expiresAt }),
    });
    for (const stale of freshness.stale) session.sendFrame(stale);
    wheel.schedule(session, Math.min(limits.heartbeatMs, (expiresAt ?? Infinity) - clock.now()));
    log.debug("session.opened", {
      session: session.id,
      /** Asked of the kernel, so only where somebody reads it. */
      get remote() {
        return session.socket.remote;
      },
      client,
      subject,
    });
  }

  async #renew(frame: TokenFrame): Promise<void> {
    const session = this.#session;
    try {
      const grant = await this.#context.authenticator.verify(frame.token);
      session.grant = grant;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      session.sendFrame(errorFrame({ code: error.code, message: error.message }));
      return;
    }
    const { expiresAt } = session.grant;
    session.sendFrame({ t: "renewed", ...(expiresAt === undefined ? {} : { expiresAt }) });
    const lost = [...session.attachments.values()].filter(
      (attachment) => !covers(session.grant, attachment.channel.name),
    );
    for (const attachment of lost) session.detach(attachment);
    this.#refuse(
      { code: "AUTH_CHANNEL_FORBIDDEN", message: "token: the new one does not cover channels" },
      lost.map((attachment) => attachment.channel.name),
    );
    const endsInMs = (expiresAt ?? Infinity) - this.#context.clock.now();
    this.#context.wheel.schedule(session, Math.min(this.#context.limits.heartbeatMs, endsInMs));
  }

  #attach(frame: AttachFrame): void {
    this.#rise(frame.id);
    const { id } = frame;
    const { limits, clock, hub } = this.#context;
    const session = this.#session;
    this.#attaches ??= new RateLimit(limits.attaches, clock);
    const retryInMs = this.#attaches.take(frame.channels.length);
    if (retryInMs > 0) {
      const message = "attach: channels are attached faster than a session may";
      const channels = frame.channels.map((item) => item.channel);
      this.#detachAll(channels);
      this.#refuse({ code: "BROKER_RATE_LIMITED", message, id, retryInMs }, channels);
      return;
    }
    const { accepted, forbidden, beyond } = this.#sort(frame.channels);
    const forbiddenText = "attach: the token does not cover these channels";
    this.#refuse({ code: "AUTH_CHANNEL_FORBIDDEN", message: forbiddenText, id }, forbidden);
    const beyondText = `attach: a session holds at most ${limits.channelsMax} channels`;
    this.#refuse({ code: "BROKER_CHANNELS_FULL", message: beyondText, id }, beyond);
    for (const item of accepted) {
      const before = session.attachments.get(item.channel);
      if (before !== undefined) session.detach(before);
      const request = { id, from: item.from, loading: item.loading ?? false };
      session.attachments.set(item.channel, hub.attach(session, item.channel, request));
    }
    if (accepted.length > 0) session.fallBehind("attach");
  }

  #sort(channels: readonly AttachChannel[]): {
    accepted: AttachChannel[];
    forbidden: string[];
    beyond: string[];
  } {
    const accepted: AttachChannel[] = [];
    const forbidden: string[] = [];
    const beyond: string[] = [];
    let count = this.#session.attachments.size;
    for (const item of channels) {
      const known = this.#session.attachments.has(item.channel);
      if (!covers(this.#session.grant, item.channel)) forbidden.push(item.channel);
      else if (known) accepted.push(item);
      else if (count >= this.#context.limits.channelsMax) beyond.push(item.channel);
      else {
        accepted.push(item);
        count += 1;
      }
    }
    return { accepted, forbidden, beyond };
  }

  #detach(frame: DetachFrame): void {
    this.#detachAll(frame.channels);
    this.#session.sendFrame({ t: "detached", channels: frame.channels });
  }

  #detachAll(channels: readonly string[]): void {
    for (const channel of channels) {
      const attachment = this.#session.attachments.get(channel);
      if (attachment !== undefined) this.#session.detach(attachment);
    }
  }

  #until(frame: UntilFrame): void {
    this.#rise(frame.id);
    const { id, source } = frame;
    const { sources, hub, parsePosition } = this.#context;
    if (!sources.has(source)) {
      const message = `until: there is no source ${JSON.stringify(source)}`;
      this.#refuse({ code: "BROKER_SOURCE_UNKNOWN", message, id });
      return;
    }
    if (this.#session.untilCount + this.#session.reached.length >= UNTIL_WAITING_MAX) {
      const message = `until: ${UNTIL_WAITING_MAX} wait already`;
      this.#refuse({ code: "BROKER_UNTIL_FULL", message, id });
      return;
    }
    let position: string;
    try {
      position = parsePosition(source, frame.position);
    } catch {
      // Whatever the connector found wrong with it, the text is the client's.
      const message = `until: it is no position of source ${source}`;
      this.#refuse({ code: "BROKER_POSITION_INVALID", message, id });
      return;
    }
    hub.until(this.#session, id, { source, position });
  }

  #rise(id: number): void {
    if (id <= this.#lastId) {
      const message = `reading a request: its id ${id} is not above ${this.#lastId}`;
      throw protocolError("PROTOCOL_ORDER", message);
    }
    this.#lastId = id;
  }

  /** An `error` frame that leaves the session open; none where the list of channels is empty. */
  #refuse(
    refusal: { code: ErrorCode; message: string; id?: number; retryInMs?: number },
    channels?: readonly string[],
  ): void {
    if (channels === undefined) this.#session.sendFrame(errorFrame(refusal));
    else if (channels.length > 0) {
      this.#session.sendFrame(errorFrame({ ...refusal, channels }));
    }
  }
}
