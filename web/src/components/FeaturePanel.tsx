import { createMemo, For, Show } from "solid-js";
import { api, type Field } from "../api";
import { fieldOf, nameOf, reasonsOf } from "../definitions";
import { formatPlace, formatTime, formatValue, placeOf } from "../format";
import type { FeatureRef } from "../permalink";
import { createRequest } from "../request";
import { ask, definition, lang, named, point, revision, selection, setHovered, setSelection, t } from "../state";
import { ProblemNote } from "./ProblemNote";
import { Glyph, Symbol } from "./Symbol";

/** Everything that is kept of one feature, named as its definition says. */
export function FeaturePanel(props: { feature: FeatureRef }) {
  const request = createRequest(
    () => ({ layer: props.feature.layer, id: props.feature.id }),
    revision,
    async ({ layer, id }, signal) => {
      const feature = await api.feature(layer, id, signal);
      setHovered(feature);
      return feature;
    },
  );
  const layer = () => definition(props.feature.layer);
  const feature = request.data;
  const has = (value: unknown) => value !== null && value !== undefined && value !== "" && !(Array.isArray(value) && !value.length);
  const fields = createMemo<Field[]>(() => {
    const own = (layer()?.fields ?? []).filter((field) => !["code", "name"].includes(field.key) && field.role !== "state" && has(feature()?.properties[field.key]));
    // The registry's own columns come last.
    const last = (field: Field) => ["area_code", "source", "verified", "raw_coordinate"].includes(field.key);
    return [...own.filter((field) => !last(field)), ...own.filter(last)];
  });
  const others = createMemo(() => selection().filter((one) => one.id !== props.feature.id));
  const state = () => {
    const field = layer() && fieldOf(layer()!, "state");
    const value = feature()?.properties[field?.key ?? ""];
    // A state that the definition doesn't name is shown as it is.
    return field?.values?.find((known) => known.value === value) ?? (value ? { zh: String(value), en: String(value), color: undefined } : undefined);
  };
  const place = () => feature() && placeOf(feature()!);
  const version = () => feature()?.version ?? (feature()?.properties.version as number | undefined);
  const updated = () => feature()?.updated_at ?? (feature()?.properties.updated_at as string | undefined);
  const close = () => {
    setHovered(undefined);
    setSelection([]);
  };
  return (
    <aside class="side panel feature" aria-label={t("attributes")}>
      <header>
        <Show when={point()}>
          <button class="icon" aria-label={t("back")} title={t("back")} onClick={close}>
            <Glyph name="back" />
          </button>
        </Show>
        <Show when={layer()}>{(d) => <Symbol definition={d()} properties={feature()?.properties} size={34} />}</Show>
        <div>
          <h2>{(feature() && nameOf(feature()!)) ?? (request.loading() ? t("loading") : t("unnamed"))}</h2>
          <p class="sub">
            {named(layer()?.name)}
            <Show when={feature()?.properties.code}>
              <span class="num"> · {String(feature()!.properties.code)}</span>
            </Show>
          </p>
        </div>
        <Show when={!point()}>
          <button class="icon" aria-label={t("close")} title={`${t("close")} (Esc)`} onClick={close}>
            <Glyph name="close" />
          </button>
        </Show>
      </header>
      <div class="scroll">
        <Show when={request.problem()}>
          {(problem) => (
            <Show when={problem().code !== "not_found"} fallback={<p class="caution">{t("removed")}</p>}>
              <ProblemNote problem={problem()} again={request.again} />
            </Show>
          )}
        </Show>
        <Show when={state()}>
          {(value) => (
            <p class="state">
              <span class="swatch" style={{ background: value().color ?? "var(--ink-2)" }} />
              {named(value())}
            </p>
          )}
        </Show>
        <Show when={reasonsOf(feature()?.properties.excluded).length}>
          <p class="caution">
            <Glyph name="warn" size={18} />
            {t("not_recommended")}
          </p>
        </Show>
        <dl class="attributes">
          <For each={fields()}>
            {(field) => (
              <div>
                <dt>{named(field.name)}</dt>
                <dd classList={{ num: field.type === "number" || field.type === "integer" }}>
                  <Show when={field.role === "phone"} fallback={formatValue(field, feature()!.properties[field.key], lang())}>
                    <a class="num" href={`tel:${feature()!.properties[field.key]}`}>{String(feature()!.properties[field.key])}</a>
                  </Show>
                </dd>
              </div>
            )}
          </For>
          <Show when={place()}>
            {(p) => (
              <div>
                <dt>{t("coordinate")}</dt>
                <dd class="num">{formatPlace(p())}</dd>
              </div>
            )}
          </Show>
        </dl>
        <Show when={place()}>
          {(p) => (
            <button class="primary" onClick={() => ask(p())}>
              {t("ask_here")}
            </button>
          )}
        </Show>
        <Show when={others().length}>
          <section class="block">
            <h3>{t("hits", { n: selection().length })}</h3>
            <ul>
              <For each={others()}>{(one) => <Other feature={one} />}</For>
            </ul>
          </section>
        </Show>
        <footer class="basis num">
          <Show when={version()}>{(v) => <span>{t("version", { n: v() })}</span>}</Show>
          <Show when={updated()}>{(u) => <span>{t("updated", { time: formatTime(u(), lang(), true) })}</span>}</Show>
        </footer>
      </div>
    </aside>
  );
}

function Other(props: { feature: FeatureRef }) {
  const request = createRequest(() => ({ ...props.feature }), revision, ({ layer, id }, signal) => api.feature(layer, id, signal));
  const pick = () => setSelection([props.feature, ...selection().filter((one) => one.id !== props.feature.id)]);
  return (
    <li class="row" onMouseEnter={() => setHovered(request.data())}>
      <button class="row-main" onClick={pick}>
        <Show when={definition(props.feature.layer)}>{(d) => <Symbol definition={d()} properties={request.data()?.properties} />}</Show>
        <span class="row-text">
          <span class="row-name">{(request.data() && nameOf(request.data()!)) ?? "…"}</span>
          <small>{named(definition(props.feature.layer)?.name)}</small>
        </span>
      </button>
    </li>
  );
}
