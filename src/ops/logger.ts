/**
 * Writes what parts say, with pino: one JSON object per line for machines, or readable lines for a
 * person at a terminal. The stable name stands in `event`, facts in fields of their own. Writing is
 * synchronous, so that the last line before an exit is not lost. No other folder imports pino.
 */
import { pino, stdTimeFunctions, type DestinationStream, type Logger } from "pino";
import { prettyFactory } from "pino-pretty";
import type { Log, LogFields } from "../base/log.js";
import { redactFields } from "./redact.js";

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Lines for people (with colours if `colour`), instead of JSON. */
  readonly readable: boolean;
  readonly colour?: boolean;
  /** Takes one whole line, its end included. */
  readonly write: (line: string) => void;
}

export function createLog(options: LoggerOptions): Log {
  const lines: DestinationStream = { write: options.write };
  const destination = options.readable ? readable(lines, options.colour ?? false) : lines;
  const logger = pino(
    {
      level: options.level,
      messageKey: "event",
      timestamp: stdTimeFunctions.isoTime,
      base: null,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return wrap(logger);
}

function readable(lines: DestinationStream, colour: boolean): DestinationStream {
  const print = prettyFactory({
    colorize: colour,
    messageKey: "event",
    singleLine: true,
    translateTime: "SYS:HH:MM:ss.l",
  });
  return {
    write: (line) => {
      lines.write(print(line));
    },
  };
}

function wrap(logger: Logger): Log {
  const fieldsOf = (fields: LogFields | undefined): object =>
    fields === undefined ? {} : redactFields(fields);
  return {
    debug: (event, fields) => {
      // Debug lines may stand on warm paths: nothing is built when nobody reads them.
      if (logger.isLevelEnabled("debug")) logger.debug(fieldsOf(fields), event);
    },
    info: (event, fields) => {
      logger.info(fieldsOf(fields), event);
    },
    warn: (event, fields) => {
      logger.warn(fieldsOf(fields), event);
    },
    error: (event, fields) => {
      logger.error(fieldsOf(fields), event);
    },
    child: (fields) => wrap(logger.child(redactFields(fields))),
  };
}
