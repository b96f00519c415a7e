import * as maplibregl from "maplibre-gl";
import type { GeoJSONSource, Map as GlMap, MapGeoJSONFeature } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import "maplibre-gl/dist/maplibre-gl.css";
import { createEffect, createSignal, getOwner, on, onCleanup, onMount, runWithOwner, Show } from "solid-js";
import { api, type Feature } from "../api";
import { hasRole, isDrawn } from "../definitions";
import { bounds, formatRadius, labelPlace, placeOf, ring } from "../format";
import type { FeatureRef, Place } from "../permalink";
import { ask, camera, collections, hidden, hovered, lang, point, radius, setCamera, setFictional, setSelection, t, theme } from "../state";
import { picture } from "./icons";
import { buildStyle, dataSource, isClickable, LABELS, labelsApart, labelSource, layerOf } from "./style";

maplibregl.setWorkerUrl(workerUrl);

let map: GlMap | undefined;
/** Space that panels cover, so that a flight ends in what is left. */
function padding() {
  const wide = innerWidth >= 900;
  const panel = document.querySelector(".side")?.getBoundingClientRect();
  const layers = document.querySelector(".layers")?.getBoundingClientRect();
  return {
    top: 80,
    bottom: wide ? 60 : Math.min((panel?.height ?? 0) + 24, innerHeight * 0.6),
    left: wide ? (layers?.right ?? 0) + 24 : 24,
    right: wide ? (panel?.width ?? 0) + 40 : 24,
  };
}

export function flyTo(place: Place, zoom?: number): void {
  map?.easeTo({ center: [place.lon, place.lat], zoom: Math.max(map.getZoom(), zoom ?? 0), padding: padding(), duration: 600 });
}
export function showFeature(feature: Feature): void {
  const box = bounds(feature.geometry);
  if (!box || !map) return;
  if (box[0] === box[2] && box[1] === box[3]) flyTo({ lon: box[0], lat: box[1] }, 13);
  else map.fitBounds(box, { padding: padding(), duration: 600, maxZoom: 15 });
}
export const zoomBy = (step: number): void => void map?.easeTo({ zoom: map.getZoom() + step, padding: noPadding, duration: 200 });
const noPadding = { top: 0, bottom: 0, left: 0, right: 0 };

function district(): [number, number, number, number] | undefined {
  const boxes = collections()
    .map((collection) => collection.extent?.spatial?.bbox?.[0])
    .filter((box): box is number[] => !!box && box.length >= 4 && box.every(Number.isFinite))
    .map((box) => (box.length === 6 ? [box[0]!, box[1]!, box[3]!, box[4]!] : box))
    .filter((box) => box[2]! - box[0]! < 180);
  if (!boxes.length) return undefined;
  return [
    Math.min(...boxes.map((b) => b[0]!)),
    Math.min(...boxes.map((b) => b[1]!)),
    Math.max(...boxes.map((b) => b[2]!)),
    Math.max(...boxes.map((b) => b[3]!)),
  ];
}
export function fitDistrict(animate = true): void {
  const box = district();
  if (box) map?.fitBounds(box, { padding: { ...padding(), top: 90 }, duration: animate ? 600 : 0, maxZoom: 14 });
}

/** Asks the tiles of these layers again; the old ones stay until the new are there. */
export function refreshLayers(layers?: Iterable<string>): void {
  for (const layer of layers ?? collections().map((c) => c.id)) {
    if (map?.getSource(dataSource(layer))) map.refreshTiles(dataSource(layer));
    void refreshLabels(layer);
  }
}

async function refreshLabels(layer: string): Promise<void> {
  const collection = collections().find((one) => one.id === layer);
  if (!collection || !labelsApart(collection)) return;
  const answer = await api.items(layer, { limit: LABELS }).catch(() => undefined);
  if (!answer) return;
  setData(
    labelSource(layer),
    answer.features.flatMap((feature) => {
      const place = feature.geometry && /Polygon/.test(feature.geometry.type) ? labelPlace(feature.geometry) : undefined;
      return place ? [spot(feature.properties, place)] : [];
    }),
  );
}

const setData = (source: string, features: GeoJSON.Feature[]) =>
  (map?.getSource(source) as GeoJSONSource | undefined)?.setData({ type: "FeatureCollection", features });

const line = (part: string, coordinates: [number, number][]): GeoJSON.Feature => ({
  type: "Feature",
  properties: { part },
  geometry: { type: "LineString", coordinates },
});
const spot = (properties: Record<string, unknown>, place: Place): GeoJSON.Feature => ({
  type: "Feature",
  properties,
  geometry: { type: "Point", coordinates: [place.lon, place.lat] },
});

/** Lines of longitude and latitude, where a district has no terrain to show. */
function graticule(view: GlMap): GeoJSON.Feature[] {
  const box = view.getBounds();
  const span = Math.max(box.getEast() - box.getWest(), 1e-6);
  const step = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01].find((s) => span / s >= 5) ?? 0.005;
  const features: GeoJSON.Feature[] = [];
  const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
  for (let x = Math.floor(box.getWest() / step - 1) * step; x <= box.getEast() + step; x += step)
    features.push({ ...line("", [[x, Math.max(-85, box.getSouth() - step)], [x, Math.min(85, box.getNorth() + step)]]), properties: { name: `${x.toFixed(digits)}°` } });
  for (let y = Math.floor(box.getSouth() / step - 1) * step; y <= box.getNorth() + step; y += step)
    if (Math.abs(y) < 85) features.push({ ...line("", [[box.getWest() - step, y], [box.getEast() + step, y]]), properties: { name: `${y.toFixed(digits)}°` } });
  return features;
}

function pin(): HTMLElement {
  const element = document.createElement("div");
  element.className = "pin";
  element.innerHTML =
    '<svg viewBox="0 0 32 42" width="34" height="44" aria-hidden="true"><path d="M16 1.5C8 1.5 2 7.6 2 15.2 2 25.5 16 40.5 16 40.500S30 25.5 30 15.200C30 7.6 24 1.5 16 1.500Z" fill="var(--accent)" stroke="#fff" stroke-width="2.5"/><circle cx="16" cy="15.5" r="5.5" fill="#fff"/></svg>';
  return element;
}

export default function MapView(props: { found: Feature[] }) {
  let container!: HTMLDivElement;
  const [ready, setReady] = createSignal(false);
  const [failed, setFailed] = createSignal(false);
  const [plain, setPlain] = createSignal(false);

  const owner = getOwner();
  onMount(async () => {
    // Without its ground the map still shows everything else.
    const ground = await api.basemap().catch(() => undefined);
    setFictional(ground?.fictional ?? false);
    runWithOwner(owner, () => start(ground?.features ?? []));
  });

  const start = (ground: GeoJSON.Feature[]) => {
    const style = () => buildStyle({ collections: collections(), theme: theme(), hidden: hidden(), origin: location.origin });
    const from = camera();
    try {
      map = new maplibregl.Map({
        container,
        style: style(),
        center: from ? [from.lon, from.lat] : [105, 35],
        zoom: from?.zoom ?? 3,
        attributionControl: false,
        dragRotate: false,
        pitchWithRotate: false,
        maxZoom: 20,
        fadeDuration: 120,
        localIdeographFontFamily: false,
        locale: { "Map.Title": t("map") },
      });
    } catch (error) {
      console.error(error);
      setFailed(true);
      return;
    }
    const view: GlMap = map;
    (window as unknown as { biaotuMap: GlMap }).biaotuMap = view;
    view.touchZoomRotate.disableRotation();
    view.keyboard.disableRotation();
    view.addControl(new maplibregl.ScaleControl({ maxWidth: 120, unit: "metric" }), "bottom-left");
    view.setMissingStyleImageResolver((id) => {
      const drawn = picture(id);
      if (drawn && !view.hasImage(id)) view.addImage(id, drawn.image, { pixelRatio: drawn.pixelRatio });
    });
    view.on("error", ({ error }) => console.warn(error?.message ?? error));

    const fill = () => {
      for (const { id } of collections()) void refreshLabels(id);
      setPlain(!ground.length);
      if (ground.length) setData("basemap", ground);
      else setData("graticule", graticule(view));
    };
    view.on("load", () => {
      if (!from) fitDistrict(false);
      fill();
      setReady(true);
    });
    const keepCamera = () => {
      const { lng, lat } = view.getCenter();
      setCamera({ lon: lng, lat, zoom: view.getZoom() });
      if (plain()) setData("graticule", graticule(view));
    };
    view.on("moveend", keepCamera);

    // ---- pointing ----
    const hit = (at: maplibregl.Point, reach: number): MapGeoJSONFeature[] => {
      const layers = view.getStyle().layers.map((layer) => layer.id).filter(isClickable);
      const seen = new Set<string>();
      return view
        .queryRenderedFeatures([[at.x - reach, at.y - reach], [at.x + reach, at.y + reach]], { layers })
        .filter((feature) => !seen.has(`${feature.source}/${feature.id}`) && !!seen.add(`${feature.source}/${feature.id}`));
    };
    let lastTouch = 0;
    container.addEventListener("touchstart", () => (lastTouch = Date.now()), { passive: true });
    view.on("click", (event) => {
      const hits: FeatureRef[] = hit(event.point, Date.now() - lastTouch < 1000 ? 12 : 3)
        .slice(0, 12)
        .map((feature) => ({ layer: layerOf(feature.layer.id)!, id: String(feature.properties.id ?? feature.id) }));
      if (hits.length) setSelection(hits);
      else ask({ lon: event.lngLat.wrap().lng, lat: event.lngLat.lat });
    });
    // A right click or a long press asks about the place even where a symbol covers it.
    view.on("contextmenu", (event) => {
      event.preventDefault();
      ask({ lon: event.lngLat.wrap().lng, lat: event.lngLat.lat });
    });
    view.on("mousemove", (event) => (view.getCanvas().style.cursor = hit(event.point, 2).length ? "pointer" : "crosshair"));

    // ---- incidents pulse ----
    const pulses = new Map<string, maplibregl.Marker>();
    const pulse = () => {
      const wanted = new Map<string, Place>();
      for (const { definition: layer } of collections()) {
        if (!hasRole(layer, "incident") || !isDrawn(layer) || hidden().has(layer.id) || !view.getSource(dataSource(layer.id))) continue;
        for (const feature of view.querySourceFeatures(dataSource(layer.id), { sourceLayer: layer.id })) {
          const place = feature.geometry.type === "Point" && !feature.properties.excluded ? placeOf({ geometry: feature.geometry }) : undefined;
          if (place && wanted.size < 50) wanted.set(String(feature.properties.id), place);
        }
      }
      for (const [id, marker] of pulses) if (!wanted.has(id)) (marker.remove(), pulses.delete(id));
      for (const [id, place] of wanted) {
        const marker = pulses.get(id);
        if (marker) marker.setLngLat([place.lon, place.lat]);
        else {
          const element = document.createElement("div");
          element.className = "pulse";
          pulses.set(id, new maplibregl.Marker({ element }).setLngLat([place.lon, place.lat]).addTo(view));
        }
      }
    };
    view.on("idle", pulse);

    // ---- what the style derives from ----
    createEffect(
      on([theme, collections, hidden], () => {
        const next = style();
        const now = view.getStyle();
        const same = now.layers.length === next.layers.length && now.layers.every((layer, i) => layer.id === next.layers[i]!.id);
        if (!same) {
          view.setStyle(next, { diff: true });
          view.once("idle", fill);
          return;
        }
        for (const layer of next.layers) {
          for (const [name, value] of Object.entries(layer.paint ?? {})) view.setPaintProperty(layer.id, name as never, value as never);
          const visibility = layer.layout?.visibility;
          if (visibility) view.setLayoutProperty(layer.id, "visibility", visibility);
        }
      }, { defer: true }),
    );

    // ---- the question on the map ----
    let marker: maplibregl.Marker | undefined;
    createEffect(() => {
      const place = point();
      if (!ready()) return;
      if (!place) {
        marker?.remove();
        marker = undefined;
        setData("answer", []);
        return;
      }
      marker ??= new maplibregl.Marker({ element: pin(), anchor: "bottom", offset: [0, 2] });
      marker.setLngLat([place.lon, place.lat]).addTo(view);
      const outer = ring(place, radius());
      const top = outer[0]!;
      setData("answer", [
        { type: "Feature", properties: { part: "disc" }, geometry: { type: "Polygon", coordinates: [outer] } },
        line("ring", outer),
        line("inner", ring(place, radius() / 2)),
        spot({ part: "label", name: formatRadius(radius()) }, { lon: top[0], lat: top[1] }),
        ...props.found.flatMap((feature, i) => {
          const to = placeOf(feature);
          return to
            ? [
                spot({ part: "found", rank: String(i + 1) }, to),
                line("link", [[place.lon, place.lat], [to.lon, to.lat]]),
              ]
            : [];
        }),
      ]);
    });
    // A new question or radius is brought into view.
    createEffect(
      on([point, radius, ready], ([place, metres, isReady], before) => {
        if (!place || !isReady) return;
        const xs = ring(place, metres, 24);
        const box: [number, number, number, number] = [
          Math.min(...xs.map((x) => x[0])), Math.min(...xs.map((x) => x[1])), Math.max(...xs.map((x) => x[0])), Math.max(...xs.map((x) => x[1])),
        ];
        const first = !before?.[2];
        if (first && from) return;
        const changedRadius = before && before[1] !== metres;
        const fits = view.cameraForBounds(box, { padding: padding() });
        if (!fits) return;
        // Keep the zoom when the place is in plain view: nobody wants the map to jump at each click.
        const at = view.project([place.lon, place.lat]);
        const pad = padding();
        const seen = at.x > pad.left && at.x < innerWidth - pad.right && at.y > pad.top && at.y < innerHeight - pad.bottom;
        if (changedRadius || first) view.easeTo({ ...fits, duration: 600 } as maplibregl.EaseToOptions);
        else if (!seen) view.easeTo({ center: [place.lon, place.lat], padding: pad, duration: 500 });
      }),
    );
    createEffect(() => {
      const feature = hovered();
      if (ready()) setData("hover", feature?.geometry ? [{ type: "Feature", properties: {}, geometry: feature.geometry }] : []);
    });
    createEffect(on(lang, () => view.getCanvas().setAttribute("aria-label", t("map"))));
    onCleanup(() => view.remove());
  };

  return (
    <>
      <div class="map" ref={container} />
      <Show when={failed()}>
        <div class="fatal" role="alert">
          <h1>{t("error_webgl")}</h1>
          <p>{t("error_webgl_remedy")}</p>
        </div>
      </Show>
    </>
  );
}
