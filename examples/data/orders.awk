# Makes orders.jsonl, the same one every time:  awk -f orders.awk >orders.jsonl
BEGIN {
        n_names = split("ada grace alan edsger barbara ken dennis margaret linus radia tony frances", names)
        n_goods = split("tea:450 coffee:1290 notebook:690 pencil:120 lamp:3900 chair:12900 mug:850 " \
                        "backpack:5400 umbrella:1990 kettle:4490", goods)
        n_cities = split("Aarhus Bergen Cádiz Delft Essen Florence Gdańsk Helsinki", cities)
        seed = 20260105

        for (i = 1; i <= 1200; i++)
                order(i)
}

# Park and Miller's, exact in double precision.
function roll(n)
{
        seed = seed * 16807 % 2147483647
        return seed % n
}

function order(i,    name, lines, total, k, part, count, more)
{
        name = names[1 + roll(n_names)]
        for (k = 1 + roll(3); k > 0; k--) {
                split(goods[1 + roll(n_goods)], part, ":")
                count = 1 + roll(4)
                total += part[2] * count
                lines = lines (lines == "" ? "" : ",") \
                        sprintf("{\"sku\":\"%s\",\"count\":%d,\"cents\":%d}", part[1], count, part[2])
        }
        # The odd ones: parcels that wait, and payments that need a second attempt.
        if (i % 40 == 7)
                more = ",\"delay\":\"" (1 + roll(2)) "s\""
        if (i % 100 == 50)
                more = more ",\"max_attempts\":5"
        printf "{\"id\":\"order-%05d\",\"payload\":{\"order\":%d,\"customer\":\"%s@example.org\"," \
               "\"city\":\"%s\",\"lines\":[%s],\"total_cents\":%d,\"payment\":\"%s\"}%s}\n", i, i, name,
               cities[1 + roll(n_cities)], lines, total, i % 100 == 50 ? "slow" : "card", more
}
