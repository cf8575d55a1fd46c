/*
 * The envelopes that carry a program's output, encoded by hand: the generated codec turns bytes into base64 at 45 MB/s,
 * Buffer at 3 GB/s. StartResponse and ConnectResponse have the same shape. A test compares both with the generated codec.
 */

import { takeFrame } from "../lib/frame-pool.ts";

export type DataStream = "stdout" | "stderr" | "pty";

const PREFIX_BYTES = 5;
const FIELD_NUMBER: Readonly<Record<DataStream, number>> = { stdout: 1, stderr: 2, pty: 3 };
const LENGTH_DELIMITED = 2;
const OFFSET_TAG = 4 << 3;
const DATA_TAG = (2 << 3) | LENGTH_DELIMITED;
const EVENT_TAG = (1 << 3) | LENGTH_DELIMITED;

/** `{"event":{"data":{"stdout":"…","offset":"…"}}}` in an envelope. */
export function jsonDataFrame(stream: DataStream, bytes: Buffer, offset: number): Buffer {
  const head = `{"event":{"data":{"${stream}":"`;
  const tail = `","offset":"${offset}"}}}`;
  const base64Bytes = Math.ceil(bytes.length / 3) * 4;
  const payloadBytes = head.length + base64Bytes + tail.length;
  const frame = takeFrame(PREFIX_BYTES + payloadBytes);
  frame[0] = 0;
  frame.writeUInt32BE(payloadBytes, 1);
  let at = PREFIX_BYTES + frame.write(head, PREFIX_BYTES, "latin1");
  at += frame.write(bytes.toString("base64"), at, "latin1");
  frame.write(tail, at, "latin1");
  return frame;
}

/** The same as a protobuf message. */
export function protoDataFrame(stream: DataStream, bytes: Buffer, offset: number): Buffer {
  const data = 1 + varintSize(bytes.length) + bytes.length + 1 + varintSize(offset);
  const event = 1 + varintSize(data) + data;
  const payloadBytes = 1 + varintSize(event) + event;
  const frame = takeFrame(PREFIX_BYTES + payloadBytes);
  frame[0] = 0;
  frame.writeUInt32BE(payloadBytes, 1);
  let at = PREFIX_BYTES;
  at = writeTagAndSize(frame, at, EVENT_TAG, event);
  at = writeTagAndSize(frame, at, DATA_TAG, data);
  at = writeTagAndSize(frame, at, (FIELD_NUMBER[stream] << 3) | LENGTH_DELIMITED, bytes.length);
  at += bytes.copy(frame, at);
  writeTagAndSize(frame, at, OFFSET_TAG, offset);
  return frame;
}

function writeTagAndSize(target: Buffer, at: number, tag: number, value: number): number {
  target[at] = tag;
  let next = at + 1;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[next++] = (rest % 0x80) | 0x80;
  target[next++] = rest;
  return next;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  return size;
}
