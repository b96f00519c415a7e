// osrm-text-instructions and Leaflet Routing Machine beside a running server. See roads_clients.sh.
const { readFileSync } = require('fs');
const assert = require('assert');
const [server, pairs] = [process.argv[2], readFileSync(process.argv[3], 'utf8').trim().split('\n')];

async function sentences() {
  const compiler = require('osrm-text-instructions')('v5');
  const seen = {};
  let steps = 0;
  for (const pair of pairs) {
    const answer = await (await fetch(`${server}/route/v1/driving/${pair}?steps=true&overview=false`)).json();
    assert.equal(answer.code, 'Ok', JSON.stringify(answer));
    for (const leg of answer.routes[0].legs) {
      for (const step of leg.steps) {
        steps++;
        for (const language of ['en', 'zh-Hans']) {
          const text = compiler.compile(language, step, { legIndex: 0, legCount: 1 });
          const kind = [step.maneuver.type, step.maneuver.modifier].filter(Boolean).join(' ');
          assert(text && !/undefined|null|NaN|[{}]/.test(text), `${language}, ${kind}: ${text}`);
          (seen[kind] ??= {})[language] ??= text;
        }
      }
    }
  }
  console.log(`osrm-text-instructions: ${steps} steps of ${pairs.length} trips, each a sentence in en and zh-Hans: ok`);
  for (const [kind, texts] of Object.entries(seen).sort()) console.log(`  ${kind}: ${texts.en} / ${texts['zh-Hans']}`);
}

async function leaflet() {
  const { JSDOM } = require('jsdom');
  const { window } = new JSDOM('<div id="map"></div>', { pretendToBeVisual: true, url: server });
  Object.assign(globalThis, { window, document: window.document, location: window.location, XMLHttpRequest: window.XMLHttpRequest });
  Object.defineProperty(globalThis, 'navigator', { value: window.navigator, configurable: true });
  const L = require('leaflet');
  globalThis.L = window.L = L;
  require('leaflet-routing-machine');
  const router = L.Routing.osrmv1({ serviceUrl: `${server}/route/v1`, suppressDemoServerWarning: true, routingOptions: { alternatives: true } });
  const formatter = new L.Routing.Formatter({ language: 'en' });
  let instructions = 0;
  for (const pair of pairs) {
    const stops = pair.split(';').map(text => text.split(',').map(Number)).map(([lon, lat]) => L.Routing.waypoint(L.latLng(lat, lon)));
    const routes = await new Promise((done, failed) => router.route(stops, (error, found) => (error ? failed(new Error(error.message)) : done(found))));
    for (const route of routes) {
      assert(route.coordinates.length >= 2 && route.summary.totalTime >= 0 && route.summary.totalDistance >= 0);
      assert.equal(route.waypoints.length, 2);
      for (const one of route.instructions) {
        instructions++;
        assert(one.type && one.index >= 0 && one.index < route.coordinates.length, JSON.stringify(one));
        assert(one.distance >= 0 && one.time >= 0, JSON.stringify(one));
        const text = formatter.formatInstruction(one, 0);
        assert(text && !/undefined|null|NaN/.test(text), `${JSON.stringify(one)}: ${text}`);
      }
    }
  }
  console.log(`Leaflet Routing Machine: ${pairs.length} trips, ${instructions} instructions: ok`);
  window.close();
}

sentences().then(leaflet).then(() => process.exit(0), error => { console.error(error); process.exit(1); });
