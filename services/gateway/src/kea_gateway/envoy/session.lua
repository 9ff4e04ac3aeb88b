-- Makes a bearer token of a browser's session cookie, for what stands behind Envoy. Where a token is needed, the JWT
-- filter has checked the cookie's by then, or another if there was one (the router's authentication.py).

local SAFE = {GET = true, HEAD = true, OPTIONS = true}

local function cookie(text, name)
  for part in string.gmatch(text, "[^;]+") do
    local key, value = string.match(part, "^%s*([^=%s]+)%s*=%s*(.-)%s*$")
    if key == name then return value end
  end
  return nil
end

-- Returns whether the request may go on.
local function take_session(handle, headers)
  if headers:get("authorization") then return true end
  local text = headers:get("cookie")
  -- What the JWT filter's rules go by, too: it must not take a cookie that is overlooked here.
  if not text or not string.find(text, "kea_session=", 1, true) then return true end
  -- A form or script of another site can have a browser send the cookie; it cannot have it lie about where it is from.
  if not SAFE[headers:get(":method")] then
    local origin = headers:get("origin") or ""
    local host = string.match(origin, "^https?://(.+)$")
    if not host or string.lower(host) ~= string.lower(headers:get(":authority") or "") then
      handle:respond({[":status"] = "403"}, "this request was sent from another site, or does not say from where")
      return false
    end
  end
  local token = cookie(text, "__Host-kea_session")
  -- Another site under the same domain could set the plain one, but over https browsers take ours from us alone.
  if not token and headers:get("x-forwarded-proto") ~= "https" then token = cookie(text, "kea_session") end
  if token and token ~= "" and not string.find(token, "[^%w%-_.]") then
    headers:replace("authorization", "Bearer " .. token)
  end
  return true
end
