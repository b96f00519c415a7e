// The symbol set: one plate shape for each meaning, one white glyph on it, drawn on a 32 × 32 grid.
// diamond: danger. triangle: something has happened. square: help and supplies. circle: people and places to protect.

type Plate = "diamond" | "triangle" | "square" | "circle";
interface Icon {
  plate: Plate;
  stroke?: string;
  fill?: string;
}

const PLATES: Record<Plate, string> = {
  diamond: "M16 2.5 29.5 16 16 29.5 2.5 16Z",
  triangle: "M16 3.5 29.5 27.500H2.500Z",
  square: "M8.5 4h15A4.5 4.5 0 0 1 28 8.500v15a4.5 4.5 0 0 1-4.5 4.500h-15A4.5 4.5 0 0 1 4 23.500v-15A4.5 4.5 0 0 1 8.5 4Z",
  circle: "M16 3a13 13 0 1 1 0 26 13 13 0 0 1 0-26Z",
};

const FLAME = "M16.6 7.500c.4 3 4.9 5.2 4.9 10a5.5 5.5 0 0 1-11 0c0-2.3 1.1-3.9 2.3-5 .1 1.5.7 2.5 1.5 3 .2-3 .7-5.7 2.3-8Zm-.3 9.500c-1.2 1-2 1.9-2 3.200a1.9 1.9 0 0 0 3.8 0c0-1.3-.9-2.2-1.8-3.200Z";
const PERSON = "M16 8.300a3 3 0 1 1 0 6 3 3 0 0 1 0-6Zm0 7.200c3.6 0 6 2.3 6 5.700V22.500H10v-1.300c0-3.4 2.4-5.7 6-5.700Z";

const ICONS: Record<string, Icon> = {
  hazard: { plate: "diamond", fill: FLAME },
  toxic: { plate: "diamond", fill: "M16 8a6 6 0 0 1 3.5 10.900V21.500h-7v-2.600A6 6 0 0 1 16 8Zm-2.3 5.300a1.3 1.3 0 1 0 0 2.6 1.3 1.3 0 0 0 0-2.600Zm4.6 0a1.3 1.3 0 1 0 0 2.6 1.3 1.3 0 0 0 0-2.600Z" },
  hazard_area: { plate: "diamond", stroke: "M11 16h10" },
  incident: { plate: "triangle", stroke: "M16 12.500v6.5", fill: "M16 21.300a1.6 1.6 0 1 1 0 3.2 1.6 1.6 0 0 1 0-3.200Z" },
  shelter: { plate: "square", stroke: "M8.5 15.5 16 9l7.5 6.5", fill: "M16 14.600a2 2 0 1 1 0 4 2 2 0 0 1 0-4Zm0 4.800c2.4 0 3.9 1.5 3.9 3.600H12.100c0-2.1 1.5-3.6 3.9-3.600Z" },
  depot: { plate: "square", stroke: "M9 12.5 16 9l7 3.500v7.500L16 23.5 9 20zM9 12.500l7 3.5 7-3.500M16 16v7.5" },
  team: { plate: "square", fill: "M16 9.500a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.400Zm0 6.400c3 0 5 2 5 5V22.500H11v-1.600c0-3 2-5 5-5ZM9.8 11.500a2 2 0 1 1 0 4 2 2 0 0 1 0-4Zm12.4 0a2 2 0 1 1 0 4 2 2 0 0 1 0-4ZM9.8 16.300c.5 0 .9.1 1.3.2-.9 1.1-1.4 2.5-1.4 4.100v.4H6.800v-1.200c0-2 1.1-3.5 3-3.500Zm12.4 0c1.9 0 3 1.5 3 3.500V21h-2.900v-.4c0-1.6-.5-3-1.4-4.1.4-.1.8-.2 1.3-.2Z" },
  hospital: { plate: "square", fill: "M13.6 9h4.800v4.600H23v4.800h-4.600V23h-4.800v-4.600H9v-4.800h4.600z" },
  fire_station: { plate: "square", fill: FLAME },
  police: { plate: "square", fill: "M16 8.5 22.5 11v5c0 3.7-2.7 6.3-6.5 7.7-3.8-1.4-6.5-4-6.5-7.700v-5z" },
  government: { plate: "square", fill: "M16 8.5 23.5 13v1.500h-15V13zM10 16h2.300v5H10zm4.9 0h2.200v5h-2.200zm4.8 0H22v5h-2.300zM8.5 22h15v1.800h-15z" },
  school: { plate: "circle", fill: "M16 9.5 25 13.6 16 17.7 7 13.600Z", stroke: "M11.3 16.500v3.800c2.5 2 6.9 2 9.4 0v-3.800M24.3 14.200v4.3" },
  nursing_home: { plate: "circle", fill: "M16 23.200c-4.3-3-7-5.5-7-8.8 0-2.4 1.7-4 3.7-4 1.4 0 2.6.7 3.3 2 .7-1.3 1.9-2 3.3-2 2 0 3.7 1.6 3.7 4 0 3.3-2.7 5.8-7 8.800Z" },
  population: { plate: "circle", fill: PERSON },
  confined_space: { plate: "circle", stroke: "M16 9v11M11.8 16l4.2 4.2 4.2-4.200M10.5 23.300h11" },
  weather: { plate: "circle", stroke: "M8.5 13.500h9.300a2.3 2.3 0 1 0-2.2-3M8.5 17h13a2.3 2.3 0 1 1-2.2 3M8.5 20.500h6" },
  contact: { plate: "circle", fill: "M12.1 9.300l2.3 3.6-1.5 1.800c.8 1.7 2.3 3.2 4.3 4.200l1.8-1.5 3.6 2.200c.4.3.5.7.3 1.1-.7 1.5-1.9 2.3-3.4 2.1-5.8-1-9.7-5-10.4-10.3-.2-1.5.6-2.7 1.9-3.4.4-.2.8-.1 1.1.2Z" },
  grid: { plate: "square", stroke: "M9.5 9.500h13v13h-13zM16 9.500v13M9.5 16h13" },
  stock: { plate: "square", stroke: "M9.5 11h13M9.5 16h13M9.5 21h13" },
  road: { plate: "square", stroke: "M11 23 14 9M21 23 18 9M16 11v2M16 15.500v2M16 20v2" },
  dot: { plate: "circle", fill: "M16 12a4 4 0 1 1 0 8 4 4 0 0 1 0-8Z" },
};

const KEYWORDS: [RegExp, string][] = [
  [/incident|event|accident/, "incident"],
  [/area|zone|closure/, "hazard_area"],
  [/toxic|chem/, "toxic"],
  [/hazard|danger|risk/, "hazard"],
  [/shelter|refuge/, "shelter"],
  [/depot|supply|warehouse|suppl/, "depot"],
  [/team|response|rescue|crew/, "team"],
  [/hospital|clinic|medical|health/, "hospital"],
  [/fire/, "fire_station"],
  [/police/, "police"],
  [/school|kindergarten|college|university/, "school"],
  [/nursing|care|elder/, "nursing_home"],
  [/gov|town_hall|office|facility|building/, "government"],
  [/confined|space/, "confined_space"],
  [/pop|people|village|resident/, "population"],
  [/weather|wind|rain/, "weather"],
  [/contact|phone|duty/, "contact"],
  [/grid|cell/, "grid"],
  [/stock|item|ledger|movement/, "stock"],
  [/road|bridge/, "road"],
];

export const hasIcon = (name: string): boolean => name in ICONS;

/** The name of a symbol of ours for what a definition asks for. */
export function iconName(wanted: string): string {
  const name = wanted.toLowerCase().replace(/-/g, "_");
  return hasIcon(name) ? name : (KEYWORDS.find(([pattern]) => pattern.test(name))?.[1] ?? "dot");
}

export function iconParts(name: string): { plate: string; stroke?: string; fill?: string } {
  const icon = ICONS[name] ?? ICONS.dot!;
  return { plate: PLATES[icon.plate], stroke: icon.stroke, fill: icon.fill };
}

const RATIO = 2;
const SIZE = 36;
const HATCH = 12;

export interface Picture {
  image: ImageData;
  pixelRatio: number;
}

function canvas(size: number): CanvasRenderingContext2D {
  const element = document.createElement("canvas");
  element.width = element.height = size * RATIO;
  const context = element.getContext("2d", { willReadFrequently: true })!;
  context.scale(RATIO, RATIO);
  return context;
}

const finish = (context: CanvasRenderingContext2D): Picture => ({
  image: context.getImageData(0, 0, context.canvas.width, context.canvas.height),
  pixelRatio: RATIO,
});

function drawSymbol(name: string, color: string, out: boolean): Picture {
  const context = canvas(SIZE);
  const parts = iconParts(name);
  const plate = new Path2D(parts.plate);
  context.translate((SIZE - 32) / 2, (SIZE - 32) / 2);
  context.lineJoin = context.lineCap = "round";
  context.shadowColor = "rgba(10, 16, 24, 0.45)";
  context.shadowBlur = 3;
  context.shadowOffsetY = 1;
  context.strokeStyle = "#fff";
  context.lineWidth = 4;
  context.stroke(plate);
  context.shadowColor = "transparent";
  context.fillStyle = color;
  context.fill(plate);
  context.lineWidth = 1;
  context.strokeStyle = color;
  context.stroke(plate);
  context.fillStyle = context.strokeStyle = "#fff";
  context.lineWidth = 2.2;
  if (parts.fill) context.fill(new Path2D(parts.fill), "evenodd");
  if (parts.stroke) context.stroke(new Path2D(parts.stroke));
  if (out) {
    // Left out of recommendations: greyed and struck through.
    context.globalCompositeOperation = "source-atop";
    context.fillStyle = "rgba(122, 130, 140, 0.62)";
    context.fillRect(-4, -4, 40, 40);
    context.globalCompositeOperation = "source-over";
    const bar = new Path2D("M5 27 27 5");
    context.lineWidth = 5.5;
    context.strokeStyle = "#fff";
    context.stroke(bar);
    context.lineWidth = 2.8;
    context.strokeStyle = "#3a424c";
    context.stroke(bar);
  }
  return finish(context);
}

function drawHatch(color: string): Picture {
  const context = canvas(HATCH);
  context.strokeStyle = color;
  context.globalAlpha = 0.55;
  context.lineWidth = 2;
  for (const shift of [-HATCH, 0, HATCH]) {
    context.beginPath();
    context.moveTo(shift - 2, HATCH + 2);
    context.lineTo(shift + HATCH + 2, -2);
    context.stroke();
  }
  return finish(context);
}

/** Draws what a style names: `sym|icon|#color[|out]` or `hatch|#color`. */
export function picture(id: string): Picture | undefined {
  const [kind, a, b, c] = id.split("|");
  if (kind === "sym" && a && b) return drawSymbol(a, b, c === "out");
  if (kind === "hatch" && a) return drawHatch(a);
  return undefined;
}
