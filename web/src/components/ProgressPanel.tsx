import { createMemo, createSignal, For, Show } from "solid-js";
import { api, type Group } from "../api";
import { fieldOf, hasRole, nameOf } from "../definitions";
import { formatNumber, formatTime, formatValue } from "../format";
import { createRequest } from "../request";
import { collections, definition, lang, named, revision, setRegister, t } from "../state";
import { ProblemNote } from "./ProblemNote";
import { Glyph, Symbol } from "./Symbol";

const GRID = "grid";

/** How far a register has got: by responsibility area or by a field, worst first, campaigns each for itself. */
export function ProgressPanel(props: { layer: string }) {
  const layer = () => definition(props.layer);
  const apart = () => layer()?.apart ?? [];
  const cells = () => collections().find((c) => hasRole(c.definition, "grid"));
  const choices = createMemo(() => {
    const state = layer() && fieldOf(layer()!, "state");
    return (layer()?.fields ?? []).filter((field) => field.type === "enum" && field.key !== state?.key && !apart().includes(field.key));
  });
  const places = () => (layer()?.geometry !== "none" && cells() ? [GRID] : []);
  const [chosen, setChosen] = createSignal<string>();
  const by = () => chosen() ?? [...places(), ...choices().map((field) => field.key)][0] ?? "";
  const request = createRequest(
    () => ({ layer: props.layer, by: by() }),
    revision,
    ({ layer, by }, signal) => api.stats(layer, by, signal),
  );
  const names = createRequest(
    () => (by() === GRID ? cells()?.id : undefined),
    () => undefined,
    async (grid, signal) => new Map((await api.items(grid, { limit: 10_000 }, signal)).features.map((cell) => [String(cell.properties.code ?? cell.id), nameOf(cell)])),
  );
  const nameOfGroup = (group: Group): string => {
    const value = group.by[by()];
    if (value === null || value === undefined) return t(by() === GRID ? "no_cell" : "not_given");
    const field = layer()?.fields.find((one) => one.key === by());
    return field ? formatValue(field, value, lang()) : (names.data()?.get(String(value)) ?? String(value));
  };
  /** Groups by what is kept apart: each with its own sums, never one over all. */
  const parts = createMemo(() => {
    const found = new Map<string, Group[]>();
    for (const group of request.data()?.groups ?? []) {
      const part = apart()
        .map((key) => String(group.by[key] ?? t("not_given")))
        .join(" · ");
      found.set(part, [...(found.get(part) ?? []), group]);
    }
    const open = (group: Group) => group.count - group.done;
    return [...found].map(([name, groups]) => {
      const sum = (of: (group: Group) => number) => groups.reduce((total, group) => total + of(group), 0);
      const whole = { count: sum((g) => g.count), done: sum((g) => g.done), overdue: sum((g) => g.overdue) };
      return { name, ...whole, rate: percent(whole.done, whole.count), groups: groups.sort((a, b) => b.overdue - a.overdue || open(b) - open(a)) };
    });
  });
  return (
    <aside class="side panel progress" aria-label={t("progress")}>
      <header>
        <Show when={layer()}>{(d) => <Symbol definition={d()} size={34} />}</Show>
        <div>
          <h2>{named(layer()?.name)}</h2>
          <p class="sub">{t("progress")}</p>
        </div>
        <button class="icon" aria-label={t("close")} title={`${t("close")} (Esc)`} onClick={() => setRegister(undefined)}>
          <Glyph name="close" />
        </button>
      </header>
      <div class="controls">
        <label class="select">
          <span>{t("grouped_by")}</span>
          <select aria-label={t("grouped_by")} value={by()} onChange={(event) => setChosen(event.currentTarget.value)}>
            <For each={places()}>{() => <option value={GRID}>{t("responsible")}</option>}</For>
            <For each={choices()}>{(field) => <option value={field.key}>{named(field.name)}</option>}</For>
          </select>
        </label>
      </div>
      <div class="scroll">
        <Show when={request.problem()}>{(problem) => <ProblemNote problem={problem()} again={request.again} />}</Show>
        <Show when={request.data()} fallback={<Show when={request.loading()}><div class="skeleton" role="status" aria-label={t("loading")} /></Show>}>
          <For each={parts()} fallback={<p class="empty">{t("nothing_registered")}</p>}>
            {(part) => (
              <section class="block">
                <Show when={part.name}><h3>{part.name}</h3></Show>
                <p class="rate"><strong class="num">{part.rate}</strong><span class="num">{t("done_of", { done: formatNumber(part.done, lang()), count: formatNumber(part.count, lang()) })}</span></p>
                <Bar {...part} />
                <table>
                  <thead>
                    <tr>
                      <th />
                      <th>{t("open")}</th>
                      <th>{t("overdue")}</th>
                      <th class="rate-head">{t("rate")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    <For each={part.groups}>
                      {(group) => (
                        <tr>
                          <th scope="row">{nameOfGroup(group)}</th>
                          <td class="num">{formatNumber(group.count - group.done, lang())}</td>
                          <td class="num" classList={{ bad: group.overdue > 0 }}>{formatNumber(group.overdue, lang())}</td>
                          <td class="num">{percent(group.done, group.count)}</td>
                        </tr>
                      )}
                    </For>
                  </tbody>
                </table>
              </section>
            )}
          </For>
          <Show when={request.data()?.answer}>{(basis) => <p class="basis num">{t("basis", { seq: basis().seq ?? "—", time: formatTime(basis().at, lang()) })}</p>}</Show>
        </Show>
      </div>
    </aside>
  );
}

/** Done, overdue and the rest as lengths. */
function Bar(props: { count: number; done: number; overdue: number }) {
  const share = (n: number) => `${(100 * n) / Math.max(1, props.count)}%`;
  return (
    <div class="rate-bar" aria-hidden="true">
      <span class="done" style={{ width: share(props.done) }} />
      <span class="late" style={{ width: share(props.overdue) }} />
    </div>
  );
}

/** A rate in hundredths of a percent, rounded half up as the server rounds it. */
const percent = (done: number, count: number): string => (count ? `${(Math.floor((done * 20_000 + count) / (2 * count)) / 100).toFixed(2)} %` : "—");
