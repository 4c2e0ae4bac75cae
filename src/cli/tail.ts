/**
 * `changecast tail <channel> …`: prints what a client of the channels gets, unit by unit, until it is
 * stopped. It is an ordinary client that keeps nothing.
 */
import { changecast } from "../client/client.js";
import type { Entry } from "../client/entry-view.js";
import type { SocketClass } from "../client/socket.js";
import type { ConnectionStatus, SyncStatus } from "../client/status.js";
import {
  type SubscribeChoice,
  subscribe,
  type Subscription,
  type Unit,
} from "../client/subscription.js";
import { AppError } from "../base/errors.js";
import { exitCodes, parseCommandArgs, usageError, type Command, type ExitCode } from "./command.js";
import type { Io } from "./io.js";

const DEFAULT_URL = "ws://127.0.0.1:7070/v1";

export const tailCommand: Command = {
  name: "tail",
  help: `Prints what a client of the channels gets, until Ctrl-C.

Usage: changecast tail <channel> … [options]

  --url <url>     the server's WebSocket (default ${DEFAULT_URL})
  --token <text>  API key or JWT; better in the environment: CHANGECAST_TOKEN
  --from <where>  start: everything there is, then what comes (default)
                  now: only what comes (channels of kind events)
                  <n>: the last n entries, then what comes (channels of kind events)
  --json          one JSON object per entry and line, for programs

Example: changecast tail store:1
`,
  run: tail,
};

interface Choice {
  readonly channels: readonly string[];
  readonly from: "start" | "now" | { readonly last: number };
  readonly url: string;
  readonly token: string | undefined;
  readonly json: boolean;
}

async function tail(args: readonly string[], io: Io): Promise<ExitCode> {
  const choice = readChoice(args, io);
  const { url, token } = choice;
  const cast = changecast({
    url,
    ...(token === undefined ? {} : { token }),
    WebSocket: await socketClass(),
  });
  const refused = new AbortController();
  try {
    const channels = choice.channels.map((channel): SubscribeChoice => ({
      channel,
      from: choice.from,
    }));
    const subscription = subscribe(cast, channels, (unit) => {
      print(unit, choice.json, io);
    });
    watch(subscription, io, refused);
    await untilAborted(AbortSignal.any([io.stop, refused.signal]));
  } finally {
    await cast.close();
  }
  if (refused.signal.aborted) throw refused.signal.reason as Error;
  return exitCodes.ok;
}

function readChoice(args: readonly string[], io: Io): Choice {
  const { values, positionals } = parseCommandArgs("tail", args, {
    url: { type: "string" },
    token: { type: "string" },
    from: { type: "string" },
    json: { type: "boolean" },
  });
  if (positionals.length === 0) throw usageError("tail", "no channel is given");
  const { url = DEFAULT_URL, from = "start" } = values;
  if (!URL.canParse(url) || !/^wss?:$/.test(new URL(url).protocol)) {
    throw usageError("tail", `--url ${url} is no address that begins with ws:// or wss://`);
  }
  return {
    channels: positionals,
    from: readFrom(from),
    url,
    token: values.token ?? io.env["CHANGECAST_TOKEN"],
    json: values.json ?? false,
  };
}

function readFrom(text: string): Choice["from"] {
  if (text === "start" || text === "now") return text;
  if (/^[1-9]\d{0,8}$/.test(text)) return { last: Number(text) };
  throw usageError("tail", `--from ${text} is none of start, now and a number of entries`);
}

/** The platform's own from Node 22 on. */
async function socketClass(): Promise<SocketClass> {
  const own = (globalThis as { readonly WebSocket?: SocketClass }).WebSocket;
  return own ?? (await import("ws")).WebSocket;
}

/** Says what happens to the connection beside the result, once per change, and ends where it is refused. */
function watch(subscription: Subscription, io: Io, refused: AbortController): void {
  let told = "";
  subscription.on("status", (status) => {
    const line = statusLine(status);
    if (line !== told) io.err(line);
    told = line;
    const error = refusal(status);
    if (error !== undefined) refused.abort(error);
  });
}

function statusLine({ connection, channels, staleSources }: SyncStatus): string {
  const parts = [connectionText(connection)];
  if (connection.state === "live") {
    for (const [name, { state }] of channels) parts.push(`${name} ${state}`);
    for (const source of staleSources.keys()) parts.push(`source ${source} is behind`);
  }
  return `-- ${parts.join(", ")}`;
}

function connectionText(connection: ConnectionStatus): string {
  if (connection.state === "live") return "connected";
  if (connection.state !== "waiting") return connection.state;
  return `no connection (${connection.message}), trying again`;
}

function refusal({ connection, channels }: SyncStatus): AppError | undefined {
  if (connection.state === "refused") {
    const { code, message, cure } = connection;
    return new AppError("CLIENT_REFUSED", `tailing: ${message} (${code})`, { cure });
  }
  for (const [name, { state, trouble }] of channels) {
    if (state !== "refused" || trouble === undefined) continue;
    const { code, message, cure } = trouble;
    return new AppError("CLIENT_REFUSED", `tailing ${name}: ${message} (${code})`, { cure });
  }
  return undefined;
}

function print(unit: Unit, json: boolean, io: Io): void {
  for (const channel of unit.replaced) {
    io.err(`-- ${channel} begins again: what it held before no longer counts`);
  }
  for (const entry of unit.entries) io.out(json ? jsonLine(entry) : textLine(entry));
  const ready = [...unit.places].filter(([, { ready }]) => ready).map(([name]) => name);
  if (unit.kind === "commit" && unit.entries.length > 0) {
    io.err(`-- commit at ${unit.at}: ${ready.join(", ")}`);
  }
}

function jsonLine({ channel, serial, log, index, op, table, schema, values }: Entry): string {
  return JSON.stringify({ channel, serial, log, index, op, table, schema: schema.version, values });
}

const opWords = {
  i: "insert",
  u: "update",
  d: "delete",
  m: "move away",
  t: "truncate",
  g: "gap",
} as const;

function textLine({ channel, serial, op, table, values }: Entry): string {
  return `${channel} #${serial} ${opWords[op]} ${table} ${JSON.stringify(values)}`;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
