-- wrk: creates one depot a request, at the places of ASKED in turn.
local requests, at = {}, 0
function init(args)
  local headers = { ["Content-Type"] = "application/geo+json" }
  for line in io.lines(os.getenv("ASKED")) do
    local body = '{"type":"Feature","geometry":{"type":"Point","coordinates":[' .. line .. ']},"properties":{"name":"load"}}'
    requests[#requests + 1] = wrk.format("POST", "/collections/supply_depot/items", headers, body)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
