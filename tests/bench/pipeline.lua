-- wrk sends this many requests in one write, then waits for all of their answers.
local depth = 16

function init(args)
    local one = wrk.format("GET", "/")
    local all = {}
    for i = 1, depth do all[i] = one end
    batch = table.concat(all)
end

function request()
    return batch
end
