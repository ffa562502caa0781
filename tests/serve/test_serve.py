"""Publications to a real PostgreSQL: whole for all readers, whatever happens."""

from tests.serve.stand_in import Shop


def test_first(shop: Shop) -> None:
    served = shop.publish(1)
    print(served, shop.schemas())
    print(shop.ask("chief", "select * from {s}customer.orders limit 2"))
    for login in ("chief","analyst","shop_head","seller"):
        for t in ("customer.customers","customer.orders","customer.employees","segment.segments","satisfaction.delivered_values","operations.publications","operations._release"):
            try: print(login,t,len(shop.ask(login, "select * from {s}"+t)))
            except Exception as e: print(login,t,e)
    print(shop.publish(2), shop.batch())
    print(shop.publish(3), shop.batch())
