// What the address bar keeps: where the map looks, what was asked, what is selected.

export interface Place {
  lon: number;
  lat: number;
}
export interface Camera extends Place {
  zoom: number;
}
export interface FeatureRef {
  layer: string;
  id: string;
}
export interface Permalink {
  camera?: Camera;
  point?: Place;
  radius?: number;
  hazard?: string;
  feature?: FeatureRef;
  /** The layer whose progress is shown. */
  register?: string;
}

const finite = (text: string | undefined): number | undefined => {
  if (text === undefined || text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
};

export const isPlace = (lon: number | undefined, lat: number | undefined): boolean =>
  lon !== undefined && lat !== undefined && Math.abs(lon) <= 180 && Math.abs(lat) <= 90;

/** Reads `#map=zoom/lat/lon&p=lon,lat&r=metres&h=hazard&f=layer/id&g=layer`. What it can't read is left out. */
export function parsePermalink(hash: string): Permalink {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const link: Permalink = {};
  const [zoom, mapLat, mapLon] = (params.get("map") ?? "").split("/").map(finite);
  if (zoom !== undefined && isPlace(mapLon, mapLat)) {
    link.camera = { zoom: Math.min(Math.max(zoom, 0), 22), lat: mapLat!, lon: mapLon! };
  }
  const [lon, lat] = (params.get("p") ?? "").split(",").map(finite);
  if (isPlace(lon, lat)) link.point = { lon: lon!, lat: lat! };
  const radius = finite(params.get("r") ?? undefined);
  if (radius !== undefined && radius > 0) link.radius = radius;
  const hazard = params.get("h");
  if (hazard) link.hazard = hazard;
  const feature = params.get("f")?.split("/");
  if (feature?.length === 2 && feature[0] && feature[1]) link.feature = { layer: feature[0], id: feature[1] };
  const register = params.get("g");
  if (register) link.register = register;
  return link;
}

export function formatPermalink(link: Permalink): string {
  const parts: string[] = [];
  if (link.camera) {
    const { zoom, lat, lon } = link.camera;
    parts.push(`map=${+zoom.toFixed(2)}/${lat.toFixed(5)}/${lon.toFixed(5)}`);
  }
  if (link.point) parts.push(`p=${link.point.lon.toFixed(6)},${link.point.lat.toFixed(6)}`);
  if (link.radius !== undefined) parts.push(`r=${link.radius}`);
  if (link.hazard) parts.push(`h=${encodeURIComponent(link.hazard)}`);
  if (link.feature) parts.push(`f=${encodeURIComponent(link.feature.layer)}/${encodeURIComponent(link.feature.id)}`);
  if (link.register) parts.push(`g=${encodeURIComponent(link.register)}`);
  return parts.length ? `#${parts.join("&")}` : "";
}

/**
 * A coordinate as people type it: `113.9,28.6`, `113.9 28.6`, `28.6N 113.9E`, `东经113.9 北纬28.6`.
 * Without letters the order is longitude, latitude; only a pair that can't be read so is taken the other way round.
 */
export function parseCoordinate(text: string): Place | undefined {
  const number = "([+-]?\\d+(?:\\.\\d+)?)";
  const plain = text.trim().replace(/[，、；;]/g, ",").replace(/[°度]/g, "");
  const pair = new RegExp(`^${number}\\s*(?:,|\\s)\\s*${number}$`).exec(plain);
  if (pair) {
    const [a, b] = [Number(pair[1]), Number(pair[2])];
    if (isPlace(a, b)) return { lon: a, lat: b };
    if (isPlace(b, a)) return { lon: b, lat: a };
    return undefined;
  }
  const letters = plain.replace(/东经/g, "E").replace(/西经/g, "W").replace(/北纬/g, "N").replace(/南纬/g, "S").toUpperCase();
  let lon: number | undefined;
  let lat: number | undefined;
  const rest = letters.replace(/([EWNS])\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*([EWNS])/g, (_, l1, n1, n2, l2) => {
    const letter = (l1 ?? l2) as string;
    const value = Number(n1 ?? n2) * (letter === "W" || letter === "S" ? -1 : 1);
    if (letter === "E" || letter === "W") lon = value;
    else lat = value;
    return "";
  });
  return /^[\s,]*$/.test(rest) && isPlace(lon, lat) ? { lon: lon!, lat: lat! } : undefined;
}
