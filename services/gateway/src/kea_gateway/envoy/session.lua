-- Makes a bearer token of a browser's session cookie, before the JWT filter, which checks it like any other. This runs
-- only where a request has such a cookie (bootstrap.py).

local SAFE = {GET = true, HEAD = true, OPTIONS = true}

local function cookie(text, name)
  for part in string.gmatch(text, "[^;]+") do
    local key, value = string.match(part, "^%s*([^=%s]+)%s*=%s*(.-)%s*$")
    if key == name then return value end
  end
  return nil
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get("authorization") then return end
  local text = headers:get("cookie") or ""
  local token = cookie(text, "__Host-kea_session")
  -- Another site under the same domain could set the plain one, but over https browsers take ours from us alone.
  if not token and headers:get("x-forwarded-proto") ~= "https" then token = cookie(text, "kea_session") end
  if not token or token == "" or string.find(token, "[^%w%-_.]") then return end
  -- A form or script of another site can have a browser send the cookie; it cannot have it lie about where it is from.
  if not SAFE[headers:get(":method")] then
    local origin = headers:get("origin") or ""
    local host = string.match(origin, "^https?://(.+)$")
    if not host or string.lower(host) ~= string.lower(headers:get(":authority") or "") then
      handle:respond({[":status"] = "403"}, "this request was sent from another site, or does not say from where")
      return
    end
  end
  headers:replace("authorization", "Bearer " .. token)
end
