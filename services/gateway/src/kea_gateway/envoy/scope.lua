-- Chooses the scope of a request: the endpoint it is for, or everything else ("@management").
-- Scoped routes are selected by the header x-kea-model, so a caller's own must not survive.
-- MAX_BODY_BYTES and take_session are set before this (bootstrap.py, session.lua).

local GRPC = "/inference.GRPCInferenceService/"
local FIELDS = "envoy.filters.http.grpc_field_extraction"
local MANAGEMENT = "@management"
local OF_THE_SERVER = {ServerLive = true, ServerReady = true, ServerMetadata = true}

-- A field's value as grpc_field_extraction leaves it: a list with one string.
local function field(fields, name)
  local value = fields and fields[name]
  if type(value) == "table" then value = value[1] end
  if value == "" then return nil end
  return value
end

-- "endpoint.method" and "project/endpoint.method", as gRPC callers write them.
local function split(name)
  local project, rest = string.match(name, "^([^/]+)/(.+)$")
  local endpoint, method = string.match(rest or name, "^([^.]+)%.?(.*)$")
  return project or "default", endpoint, method
end

local function of_grpc(handle, headers, path)
  local call = string.sub(path, #GRPC + 1)
  if OF_THE_SERVER[call] then return MANAGEMENT end
  local fields = handle:streamInfo():dynamicMetadata():get(FIELDS)
  local named = field(fields, "model_name") or field(fields, "name")
  local chosen = headers:get("x-kea-model-name") or headers:get("x-gateway-model-name") or named
  if not chosen then return nil end
  local project, endpoint = split(chosen)
  local version = field(fields, "model_version") or field(fields, "version")
  -- A message may say what no header may hold, a line break among it.
  if not endpoint or string.find(chosen .. (named or "") .. (version or ""), "%c") then return nil end
  -- The method is the message's, whatever a header says: that is what the model server goes by, too.
  local _, _, method = split(named or "")
  return project .. "/" .. endpoint, version, method
end

local function of_path(path)
  path = string.match(path, "^[^?]*")
  local project, rest = string.match(path, "^/projects/([^/]+)(/.*)$")
  project, rest = project or "default", rest or path
  local name, tail = string.match(rest, "^/models/([^/]+)(.*)$")
  if name then
    if tail == "" or tail == "/" or tail == "/docs" or tail == "/openapi.json" then return MANAGEMENT end
    return project .. "/" .. name, nil, string.match(tail, "^/([^/:]+)")
  end
  name, tail = string.match(rest, "^/v2/models/([^/]+)(.*)$")
  if name then
    local endpoint, method = string.match(name, "^([^.]+)%.?(.*)$")
    if not endpoint then return nil end
    return project .. "/" .. endpoint, string.match(tail, "^/versions/([^/]+)"), method
  end
  name = string.match(rest, "^/v1/models/([^/]+)")
  if name then
    local endpoint, method = string.match(name, "^([^.:]+)%.?([^:]*)")
    if not endpoint then return nil end
    return project .. "/" .. endpoint, nil, method
  end
  -- What is served under no name goes to the portal, which knows its pages, and answers 404 to the rest.
  if string.match(rest, "^/v1") or (string.match(rest, "^/v2/") and not string.match(rest, "^/v2/health/")) then
    return nil
  end
  return MANAGEMENT
end

function envoy_on_request(handle)
  local headers = handle:headers()
  headers:remove("x-kea-model")
  headers:remove("x-kea-model-version")
  headers:remove("x-kea-method")
  local path = headers:get(":path")
  local scope, version, method
  if string.sub(path, 1, #GRPC) == GRPC then
    scope, version, method = of_grpc(handle, headers, path)
  else
    scope, version, method = of_path(path)
  end
  if scope then headers:add("x-kea-model", scope) end
  if version then headers:add("x-kea-model-version", version) end
  if method and method ~= "" then headers:add("x-kea-method", method) end
  handle:clearRouteCache()
  if not take_session(handle, headers) then return end
  -- Refused before it is sent on: a model server that answers early would cut the sender off before it reads the answer.
  local length = tonumber(headers:get("content-length") or "")
  if scope ~= MANAGEMENT and length and length > MAX_BODY_BYTES then
    handle:respond({[":status"] = "413"}, "the body has " .. length .. " bytes; expected at most " .. MAX_BODY_BYTES)
  end
end
