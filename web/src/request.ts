// A question that is asked again when what it depends on changes. The last answer stays on screen meanwhile.

import { type Accessor, createEffect, createSignal, on, onCleanup } from "solid-js";
import { Problem } from "./api";

export interface Request<T> {
  data: Accessor<T | undefined>;
  problem: Accessor<Problem | undefined>;
  loading: Accessor<boolean>;
  again: () => void;
}

/**
 * @param key what is asked; when it changes the old answer is dropped. Undefined: nothing is asked.
 * @param refresh when it changes the same question is asked again, at most once a second
 */
export function createRequest<K, T>(
  key: Accessor<K | undefined>,
  refresh: Accessor<unknown>,
  fetcher: (key: K, signal: AbortSignal) => Promise<T>,
): Request<T> {
  const [data, setData] = createSignal<T>();
  const [problem, setProblem] = createSignal<Problem>();
  const [loading, setLoading] = createSignal(false);
  let controller: AbortController | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let started = 0;
  let retries = 0;

  const run = async () => {
    clearTimeout(timer);
    timer = undefined;
    const asked = key();
    controller?.abort();
    if (asked === undefined) return;
    const mine = (controller = new AbortController());
    started = Date.now();
    setLoading(true);
    try {
      const answer = await fetcher(asked, mine.signal);
      if (mine.signal.aborted) return;
      setData(() => answer);
      setProblem(undefined);
      retries = 0;
    } catch (error) {
      if (mine.signal.aborted) return;
      const failure = error instanceof Problem ? error : new Problem("other", undefined, undefined, String(error));
      setProblem(failure);
      if (failure.code === "network") timer = setTimeout(run, Math.min(1000 * 2 ** retries++, 10_000));
    } finally {
      if (!mine.signal.aborted) setLoading(false);
    }
  };

  createEffect(
    on(
      () => JSON.stringify(key()),
      () => {
        setData(undefined);
        setProblem(undefined);
        void run();
      },
    ),
  );
  createEffect(on(refresh, () => (timer ??= setTimeout(run, Math.max(0, started + 1000 - Date.now()))), { defer: true }));
  onCleanup(() => {
    clearTimeout(timer);
    controller?.abort();
  });
  return { data, problem, loading, again: run };
}
