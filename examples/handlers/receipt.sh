#!/bin/sh
# Writes the receipt of an order: the payload, JSON, comes on standard input; what is printed is the
# job's result. A payment that is "slow" is not there at the first attempt: exit 75, try again later.
# (A job that can never succeed exits 65: it is not tried again.)
set -eu

awk -v attempt="${PENSTOCK_ATTEMPT:-1}" '
function field(name, pattern)
{
        if (!match($0, "\"" name "\":" pattern)) {
                print "receipt: the order has no " name >"/dev/stderr"
                failed = 65
                exit 65
        }
        return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3)
}
{
        order = field("order", "[0-9]+")
        customer = field("customer", "\"[^\"]*\"")
        cents = field("total_cents", "[0-9]+")
        if (/"payment":"slow"/ && attempt < 2) {
                print "receipt: the payment of order " order " is not there yet" >"/dev/stderr"
                failed = 75
                exit 75
        }
        gsub(/"/, "", customer)
        printf "receipt %05d  %-22s %7d.%02d EUR\n", order, customer, cents / 100, cents % 100
        seen = 1
}
END {
        exit failed ? failed : !seen
}'
