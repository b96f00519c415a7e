import { createMemo, createSignal, For, Index, Show } from "solid-js";
import { api, type Answer, type Definition, type Dossier, type Excluded, type Feature } from "../api";
import { fieldOf, hasRole, hazards, nameOf, numberOf, reasonsOf, refuges, stores, textOf, enumName } from "../definitions";
import { bearing, formatDistance, formatNumber, formatPlace, formatRadius, formatTime, freePlaces, placeOf, stockRows } from "../format";
import { hasKey } from "../i18n";
import { showFeature } from "../map/MapView";
import type { Place } from "../permalink";
import { createRequest, type Request } from "../request";
import { collections, definition, hazard, lang, named, point, radius, RADII, revision, setHazard, setHovered, setPoint, setRadius, setSelection, t } from "../state";
import { ProblemNote } from "./ProblemNote";
import { Glyph, Symbol } from "./Symbol";

export interface Answers {
  nearest: Request<{ layer: Definition; answer: Answer }[]>;
  stock: Request<Answer | undefined>;
  dossier: Request<Dossier>;
}

/** The three questions of a click. */
export function createAnswers(): Answers {
  const ready = () => collections().length > 0;
  return {
    nearest: createRequest(
      () => (point() && ready() ? { place: point()!, hazard: hazard(), layers: refuges(collections()).map((d) => d.id) } : undefined),
      revision,
      ({ place, hazard, layers }, signal) =>
        Promise.all(layers.map(async (id) => ({ layer: definition(id)!, answer: await api.nearest(id, place, 5, hazard, signal) }))),
    ),
    stock: createRequest(
      () => (point() && ready() ? { place: point()!, radius: radius(), holders: stores(collections())?.holders } : undefined),
      revision,
      async ({ place, radius, holders }, signal) => (holders ? api.within(holders, place, radius, "stock", 20, signal) : undefined),
    ),
    dossier: createRequest(
      () => (point() && ready() ? { place: point()!, radius: radius() } : undefined),
      revision,
      ({ place, radius }, signal) => api.dossier(place, radius, signal),
    ),
  };
}

const featuresOf = (layer: { features?: Feature[] | { features: Feature[] } } | undefined): Feature[] =>
  Array.isArray(layer?.features) ? layer.features : (layer?.features?.features ?? []);

const reasonText = (reason: string) => (hasKey(`reason_${reason}`) ? t(`reason_${reason}` as "reason_closed") : reason);

function open(layer: string, feature: Feature) {
  setHovered(undefined);
  setSelection([{ layer, id: feature.id }]);
  showFeature(feature);
}

/** A row for a feature: hover shows it on the map, a click flies there. */
function FeatureRow(props: { layer: Definition; feature: Feature; rank?: number }) {
  const state = () => fieldOf(props.layer, "state");
  const capacity = () => numberOf(props.feature, fieldOf(props.layer, "capacity"));
  const occupied = () => numberOf(props.feature, fieldOf(props.layer, "occupied"));
  const free = () => freePlaces(capacity(), occupied());
  const takesPeople = () => !!fieldOf(props.layer, "occupied") && !!fieldOf(props.layer, "capacity");
  const people = () => numberOf(props.feature, fieldOf(props.layer, "people"));
  const phone = () => textOf(props.feature, fieldOf(props.layer, "phone"));
  const detail = () => {
    const kind = fieldOf(props.layer, "kind");
    const peopleField = fieldOf(props.layer, "people");
    return [
      enumName(kind, kind && props.feature.properties[kind.key], lang()),
      enumName(state(), state() && props.feature.properties[state()!.key], lang()),
      people() === undefined ? undefined : `${formatNumber(people()!, lang())} ${peopleField?.unit ?? ""}`.trim(),
    ].filter(Boolean);
  };
  const toward = () => {
    const to = placeOf(props.feature);
    const from = point();
    return from && to && props.feature.distance_m ? bearing(from, to, lang()) : "";
  };
  return (
    <li class="row" onMouseEnter={() => setHovered(props.feature)} onMouseLeave={() => setHovered(undefined)}>
      <button class="row-main" onFocus={() => setHovered(props.feature)} onBlur={() => setHovered(undefined)} onClick={() => open(props.layer.id, props.feature)}>
        <Show when={props.rank !== undefined} fallback={<span class="rank" />}>
          <span class="rank num">{props.rank}</span>
        </Show>
        <Symbol definition={props.layer} properties={props.feature.properties} />
        <span class="row-text">
          <span class="row-name">{nameOf(props.feature) ?? t("unnamed")}</span>
          <Show
            when={takesPeople()}
            fallback={<Show when={detail().length}><small>{detail().join(" · ")}</small></Show>}
          >
            <small>
              <Show when={free() !== undefined} fallback={t("free_unknown")}>
                <b class="num">{t("free_places", { free: formatNumber(free()!, lang()), capacity: formatNumber(capacity()!, lang()) })}</b>
              </Show>
            </small>
            <Show when={capacity()}>
              <span class="bar" aria-hidden="true">
                <i style={{ width: `${Math.min(100, (100 * (occupied() ?? 0)) / capacity()!)}%` }} />
              </span>
            </Show>
          </Show>
        </span>
        <span class="row-distance num">
          <Show when={props.feature.distance_m === 0} fallback={formatDistance(props.feature.distance_m, lang())}>
            {t("inside")}
          </Show>
          <small>{toward()}</small>
        </span>
      </button>
      <Show when={phone()} fallback={<Show when={fieldOf(props.layer, "phone")}><span class="icon" /></Show>}>
        {(number) => (
          <a class="icon call" href={`tel:${number()}`} aria-label={t("call", { phone: number() })} title={t("call", { phone: number() })}>
            <Glyph name="phone" />
          </a>
        )}
      </Show>
    </li>
  );
}

function ExcludedRow(props: { excluded: Excluded; known: Feature | undefined }) {
  const request = createRequest(
    () => (props.known || props.excluded.name ? undefined : { layer: props.excluded.layer, id: props.excluded.id }),
    revision,
    ({ layer, id }, signal) => api.feature(layer, id, signal),
  );
  const feature = () => props.known ?? request.data();
  const layer = () => definition(props.excluded.layer);
  return (
    <li class="row excluded" onMouseEnter={() => setHovered(feature())} onMouseLeave={() => setHovered(undefined)}>
      <button class="row-main" disabled={!feature()} onClick={() => open(props.excluded.layer, feature()!)}>
        <span class="rank" />
        <Show when={layer()}>{(d) => <Symbol definition={d()} properties={feature()?.properties} out />}</Show>
        <span class="row-text">
          <span class="row-name">{(feature() && nameOf(feature()!)) ?? props.excluded.name ?? props.excluded.code ?? "…"}</span>
          <small class="reasons">
            <For each={reasonsOf(props.excluded.reason)}>{(reason) => <span class={`tag ${reason}`}>{reasonText(reason)}</span>}</For>
          </small>
        </span>
        <span class="row-distance num">
          <Show when={props.excluded.distance_m ?? feature()?.distance_m}>{(d) => formatDistance(d(), lang())}</Show>
        </span>
      </button>
    </li>
  );
}

function Section(props: { title: string; note?: string; children: unknown; class?: string }) {
  return (
    <section class={`block ${props.class ?? ""}`}>
      <h3>
        {props.title}
        <Show when={props.note}>
          <small>{props.note}</small>
        </Show>
      </h3>
      {props.children as Element}
    </section>
  );
}

const Waiting = () => <div class="skeleton" role="status" aria-label={t("loading")} />;

function Responsible(props: { dossier: Dossier }) {
  const chain = () => props.dossier.responsible ?? [];
  const grid = () => collections().map((c) => c.definition).find((d) => hasRole(d, "grid"));
  return (
    <Section title={t("responsible")} class="responsible">
      <Show when={chain().length} fallback={<p class="empty">{t("responsible_none")}</p>}>
        <ul>
          <For each={chain()}>
            {(cell, i) => {
              const level = () => grid() && fieldOf(grid()!, "grid_level");
              const levelName = () => level() && (enumName(level(), cell.properties[level()!.key], lang()) ?? "");
              const who = () => (grid() ? textOf(cell, fieldOf(grid()!, "accountable")) : undefined);
              const phone = () => (grid() ? textOf(cell, fieldOf(grid()!, "phone")) : undefined);
              return (
                <li class="row cell" classList={{ deepest: i() === 0 }} onMouseEnter={() => setHovered(cell)} onMouseLeave={() => setHovered(undefined)}>
                  <button class="row-main" onClick={() => open(grid()?.id ?? "grid", cell)}>
                    <span class="row-text">
                      <span class="row-name">{who() ?? nameOf(cell) ?? t("unnamed")}</span>
                      <small>{[who() ? nameOf(cell) : undefined, levelName()].filter(Boolean).join(" · ")}</small>
                    </span>
                  </button>
                  <Show when={phone()}>
                    {(number) => (
                      <a class="call-number num" href={`tel:${number()}`} aria-label={t("call", { phone: number() })}>
                        <Glyph name="phone" size={18} />
                        {number()}
                      </a>
                    )}
                  </Show>
                </li>
              );
            }}
          </For>
        </ul>
      </Show>
    </Section>
  );
}

function Nearest(props: { layer: Definition; answer: Answer; known: Map<string, Feature> }) {
  const excluded = () => (props.answer.answer?.excluded ?? []).filter((e) => e.layer === props.layer.id);
  const [openList, setOpenList] = createSignal(false);
  return (
    <Section title={t("nearest", { layer: named(props.layer.name) })} note={t("straight")} class="nearest">
      <Show when={props.answer.answer?.hazard_assessed === false}>
        <p class="caution">
          <Glyph name="warn" size={18} />
          {t("hazard_not_assessed")}
        </p>
      </Show>
      <Show when={props.answer.features.length} fallback={<p class="empty">{t("nearest_none", { layer: named(props.layer.name) })}</p>}>
        <ul>
          <Index each={props.answer.features}>{(feature, i) => <FeatureRow layer={props.layer} feature={feature()} rank={i + 1} />}</Index>
        </ul>
      </Show>
      <Show when={excluded().length}>
        <button class="disclosure" aria-expanded={openList()} onClick={() => setOpenList(!openList())}>
          <Glyph name="chevron" size={18} />
          {t("excluded", { n: excluded().length })}
          <span class="reasons">
            <For each={[...new Set(excluded().flatMap((e) => reasonsOf(e.reason)))]}>{(reason) => <span class={`tag ${reason}`}>{reasonText(reason)}</span>}</For>
          </span>
        </button>
        <Show when={openList()}>
          <ul>
            <For each={excluded()}>{(one) => <ExcludedRow excluded={one} known={props.known.get(one.id)} />}</For>
          </ul>
        </Show>
      </Show>
    </Section>
  );
}

function Stock(props: { answer: Answer }) {
  const rows = createMemo(() => stockRows(props.answer.answer?.sums));
  const stock = () => stores(collections())?.stock;
  // Sums name items by code: their names come from the balances, once.
  const names = createRequest(
    () => {
      const layer = stock();
      return rows().length && layer ? layer.id : undefined;
    },
    () => undefined,
    async (id, signal) => {
      const layer = definition(id)!;
      const [code, name] = [fieldOf(layer, "item_code"), fieldOf(layer, "item_name")];
      const found = new Map<string, string>();
      if (!code || !name) return found;
      const { features } = await api.items(id, { limit: 1000, properties: `${code.key},${name.key}` }, signal);
      for (const line of features) {
        const [c, n] = [textOf(line, code), textOf(line, name)];
        if (c && n) found.set(c, n);
      }
      return found;
    },
  );
  const itemName = (code: string) => {
    const layer = stock();
    return names.data()?.get(code) ?? (layer && enumName(fieldOf(layer, "item_code"), code, lang())) ?? code;
  };
  return (
    <Section title={t("stock", { radius: formatRadius(radius()) })} class="stock">
      <Show when={rows().length} fallback={<p class="empty">{t("stock_none", { radius: formatRadius(radius()) })}</p>}>
        <table class="num">
          <thead>
            <tr>
              <th scope="col">{t("item")}</th>
              <th scope="col">{t("free")}</th>
              <th scope="col">{t("reserved")}</th>
              <th scope="col">{t("on_hand")}</th>
              <th scope="col">{t("unit")}</th>
            </tr>
          </thead>
          <tbody>
            <For each={rows()}>
              {(row) => (
                <tr classList={{ none: row.free <= 0 }}>
                  <th scope="row" title={row.item}>{itemName(row.item)}</th>
                  <td class="free">{formatNumber(row.free, lang())}</td>
                  <td>{row.reserved ? formatNumber(row.reserved, lang()) : "–"}</td>
                  <td>{formatNumber(row.on_hand, lang())}</td>
                  <td class="unit">{row.unit}</td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </Show>
      <Show when={props.answer.features.length}>
        <h4>{t("depots", { n: formatNumber(props.answer.numberMatched ?? props.answer.features.length, lang()) })}</h4>
        <Rows features={props.answer.features} layer={(feature) => feature.layer ?? stores(collections())!.holders[0]!} />
      </Show>
    </Section>
  );
}

function Rows(props: { features: Feature[]; layer: (feature: Feature) => string; total?: number }) {
  const [all, setAll] = createSignal(false);
  const shown = () => (all() ? props.features : props.features.slice(0, 3));
  return (
    <>
      <ul>
        <For each={shown()}>{(feature) => <Show when={definition(props.layer(feature))}>{(d) => <FeatureRow layer={d()} feature={feature} />}</Show>}</For>
      </ul>
      <Show when={!all() && props.features.length > 3}>
        <button class="text more" onClick={() => setAll(true)}>
          {t("more", { n: props.features.length - 3 })}
        </button>
      </Show>
    </>
  );
}

function Around(props: { dossier: Dossier }) {
  const layers = createMemo(() => {
    const told = new Set([...refuges(collections()).map((d) => d.id), ...(stores(collections())?.holders ?? [])]);
    return collections()
      .map((c) => c.definition)
      .filter((d) => !told.has(d.id) && !hasRole(d, "grid") && (props.dossier.layers?.[d.id]?.count ?? featuresOf(props.dossier.layers?.[d.id]).length) > 0)
      .map((d) => ({ definition: d, found: props.dossier.layers![d.id]! }));
  });
  const summary = (layer: Definition, sums: Record<string, number> | undefined) =>
    Object.entries(sums ?? {})
      .map(([key, value]) => {
        const field = layer.fields.find((candidate) => candidate.key === key);
        return typeof value === "number" ? `${named(field?.name) || key} ${formatNumber(value, lang())}${field?.unit ? ` ${field.unit}` : ""}` : "";
      })
      .filter(Boolean)
      .join(" · ");
  // People are summed up, not listed one dot at a time.
  const counted = (layer: Definition) => hasRole(layer, "population");
  const people = () =>
    layers()
      .filter(({ definition }) => counted(definition))
      .map(({ definition, found }) => ({ definition, found, field: fieldOf(definition, "people") }));
  return (
    <>
      <Show when={people().length}>
        <Section title={t("people", { radius: formatRadius(radius()) })}>
          <dl class="figures">
            <For each={people()}>
              {({ definition, found, field }) => (
                <div>
                  <dt>{named(definition.name)}</dt>
                  <dd class="num">
                    {formatNumber((field && found.sums?.[field.key]) ?? found.count ?? 0, lang())}
                    <small>{(field && found.sums?.[field.key] !== undefined && field.unit) || ""}</small>
                  </dd>
                </div>
              )}
            </For>
          </dl>
        </Section>
      </Show>
      <Show when={layers().length} fallback={<p class="empty">{t("around_none", { radius: formatRadius(radius()) })}</p>}>
        <For each={layers().filter(({ definition }) => !counted(definition))}>
          {({ definition, found }) => (
            <Section title={named(definition.name)} note={[t("of_total", { n: formatNumber(found.count ?? featuresOf(found).length, lang()) }), summary(definition, found.sums)].filter(Boolean).join(" · ")}>
              <Rows features={featuresOf(found)} layer={() => definition.id} />
            </Section>
          )}
        </For>
      </Show>
    </>
  );
}

export function AnswerPanel(props: { answers: Answers; place: Place }) {
  const [copied, setCopied] = createSignal(false);
  const kinds = createMemo(() => hazards(collections()));
  const known = createMemo(() => {
    const found = new Map<string, Feature>();
    for (const layer of Object.values(props.answers.dossier.data()?.layers ?? {})) for (const feature of featuresOf(layer)) found.set(feature.id, feature);
    return found;
  });
  const basis = createMemo(() => {
    const all = [props.answers.dossier.data()?.answer, props.answers.stock.data()?.answer, ...(props.answers.nearest.data() ?? []).map((n) => n.answer.answer)].filter((a) => a?.seq !== undefined);
    // Told by the oldest of them: nothing on the panel is older.
    return all.sort((a, b) => a!.seq! - b!.seq!)[0];
  });
  const copy = async () => {
    await navigator.clipboard?.writeText(formatPlace(props.place)).catch(() => undefined);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <aside class="side panel answer" aria-label={t("here")}>
      <header>
        <div>
          <h2>{t("here")}</h2>
          <button class="coordinate num" onClick={copy} title={t("copy")}>
            {copied() ? t("copied") : formatPlace(props.place)}
            <Glyph name="copy" size={15} />
          </button>
        </div>
        <button class="icon" aria-label={t("close")} title={`${t("close")} (Esc)`} onClick={() => setPoint(undefined)}>
          <Glyph name="close" />
        </button>
      </header>
      <div class="controls">
        <div class="segments num" role="radiogroup" aria-label={t("radius")}>
          <For each={RADII}>
            {(metres) => (
              <button role="radio" aria-checked={radius() === metres} onClick={() => setRadius(metres)}>
                {metres / 1000}
                <small> km</small>
              </button>
            )}
          </For>
        </div>
        <Show when={kinds().length}>
          <label class="select">
            <span>{t("hazard")}</span>
            <select aria-label={t("hazard")} value={hazard() ?? ""} onChange={(event) => setHazard(event.currentTarget.value || undefined)}>
              <option value="">{t("hazard_none")}</option>
              <For each={kinds()}>
                {(kind) => (
                  <option value={kind.value} selected={kind.value === hazard()}>
                    {named(kind)}
                  </option>
                )}
              </For>
            </select>
            <Glyph name="chevron" size={18} />
          </label>
        </Show>
      </div>
      <div class="scroll" aria-live="polite">
        <Show when={basis()?.stale}>
          <p class="caution"><Glyph name="warn" size={18} />{t("basis_stale")}</p>
        </Show>
        <Show when={props.answers.dossier.data()} fallback={<Show when={props.answers.dossier.problem()} fallback={<Waiting />}>{(p) => <ProblemNote problem={p()} again={props.answers.dossier.again} />}</Show>}>
          {(dossier) => <Responsible dossier={dossier()} />}
        </Show>
        <Show when={props.answers.nearest.data()} fallback={<Show when={props.answers.nearest.problem()} fallback={<Waiting />}>{(p) => <ProblemNote problem={p()} again={props.answers.nearest.again} />}</Show>}>
          {(found) => <Index each={found()}>{(one) => <Nearest layer={one().layer} answer={one().answer} known={known()} />}</Index>}
        </Show>
        <Show when={props.answers.stock.data()} fallback={<Show when={props.answers.stock.problem()}>{(p) => <ProblemNote problem={p()} again={props.answers.stock.again} />}</Show>}>
          {(answer) => <Stock answer={answer()} />}
        </Show>
        <Show when={props.answers.dossier.data()}>{(dossier) => <Around dossier={dossier()} />}</Show>
        <footer class="basis num">
          <Show when={basis()}>{(b) => <span>{t("basis", { seq: b().seq!, time: formatTime(b().at, lang()) })}</span>}</Show>
          <span>{t("straight_note")}</span>
        </footer>
      </div>
    </aside>
  );
}
