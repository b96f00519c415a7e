-- wrk: asks about the places of ASKED (lon,lat a line) in turn; QUESTION is the path with %s for the place.
local places, at = {}, 0
for line in io.lines(os.getenv("ASKED")) do places[#places + 1] = line end
local question = os.getenv("QUESTION")
function request()
  at = at % #places + 1
  return wrk.format("GET", string.format(question, places[at]))
end
