// The live stream. Changes are handed on at once, and at most four times a second under load.

import { createSignal } from "solid-js";
import type { Change } from "./api";

export type Connection = "connecting" | "live" | "lost";
export const [connection, setConnection] = createSignal<Connection>("connecting");
/** When the picture was last known to be current. */
export const [currentAt, setCurrentAt] = createSignal<Date>();
export const [lastChange, setLastChange] = createSignal<Change>();
export const [seq, setSeq] = createSignal<number>();

const INTERVAL = 250;
/** The server pings; a line that stays silent this long is dead even if the browser hasn't noticed. */
const SILENCE = 40_000;

export function startLive(onChanges: (layers: Set<string>) => void, onReset: () => void): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let flushing: ReturnType<typeof setTimeout> | undefined;
  let pings = false;
  let heard = Date.now();
  let wait = 1000;
  let greeted = false;
  let dirty = new Set<string>();
  let flushed = 0;

  const flush = () => {
    flushing = undefined;
    flushed = Date.now();
    const layers = dirty;
    dirty = new Set();
    if (layers.size) onChanges(layers);
  };
  const alive = () => {
    heard = Date.now();
    setConnection("live");
  };
  const lost = () => {
    if (connection() === "live") setCurrentAt(new Date(heard));
    setConnection(connection() === "connecting" && !greeted ? "connecting" : "lost");
  };

  const connect = () => {
    clearTimeout(retry);
    source?.close();
    source = new EventSource("/events");
    source.onopen = () => {
      // What was missed may be more than the stream resumes: read again.
      if (greeted) onReset();
      greeted = true;
      wait = 1000;
      alive();
    };
    source.onerror = () => {
      lost();
      if (source?.readyState === EventSource.CLOSED) {
        retry = setTimeout(connect, wait);
        wait = Math.min(wait * 2, 15_000);
      }
    };
    source.addEventListener("change", (event) => {
      alive();
      let change: Change;
      try {
        change = JSON.parse(event.data) as Change;
      } catch {
        return;
      }
      setLastChange(change);
      setSeq(change.seq);
      dirty.add(change.layer);
      flushing ??= setTimeout(flush, Math.max(0, flushed + INTERVAL - Date.now()));
    });
    source.addEventListener("hello", (event) => {
      alive();
      try {
        const hello = JSON.parse(event.data) as { seq?: number };
        if (hello.seq !== undefined) setSeq(hello.seq);
      } catch {
        // A greeting without a number is a greeting still.
      }
    });
    source.addEventListener("ping", () => {
      pings = true;
      alive();
    });
    source.addEventListener("reset", () => {
      alive();
      onReset();
    });
  };
  const watch = setInterval(() => {
    if (pings && Date.now() - heard > SILENCE) {
      lost();
      connect();
    }
  }, 5000);
  const offline = () => lost();
  const online = () => connect();
  addEventListener("offline", offline);
  addEventListener("online", online);
  connect();

  return () => {
    clearInterval(watch);
    clearTimeout(retry);
    clearTimeout(flushing);
    removeEventListener("offline", offline);
    removeEventListener("online", online);
    source?.close();
  };
}
