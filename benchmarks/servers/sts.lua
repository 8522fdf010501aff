-- For nginx: an STS whose response depends on the access key ID: ASIA, a word for the kind of response, and a number.
-- The number is the session name in the response, so that a client can check that the response is its own.

local kind, number = (ngx.var.args or ""):match("X%-Amz%-Credential=ASIA(%u+)(%d+)%%2F")

local function answer(status, body)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.header.content_length = #body
  ngx.print(body)
  return ngx.exit(ngx.OK)
end

local function refuse(status, code)
  return answer(status, '{"Error":{"Code":"' .. code .. '","Message":"' .. code .. '","Type":"Sender"},'
    .. '"RequestId":"01234567-89ab-cdef-0123-456789abcdef"}')
end

local behaviours = {
  BOGUS = function() return refuse(403, "InvalidClientTokenId") end,
  THROTTLED = function() return refuse(400, "Throttling") end,
  BROKEN = function() return refuse(500, "InternalFailure") end,
  GARBAGE = function() return answer(200, "<html>") end,
  RESET = function() return ngx.exit(444) end,
  SLOW = function() ngx.sleep(1) end,
  STALLED = function() ngx.sleep(30) end,
}

ngx.sleep(tonumber(ngx.var.delay))
local behave = behaviours[kind]
if behave then behave() end
answer(200, '{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"123456789012",'
  .. '"Arn":"arn:aws:sts::123456789012:assumed-role/Bench/caller-' .. number .. '",'
  .. '"UserId":"AROAEXAMPLEEXAMPLE123:caller-' .. number .. '"},'
  .. '"ResponseMetadata":{"RequestId":"01234567-89ab-cdef-0123-456789abcdef"}}}')
