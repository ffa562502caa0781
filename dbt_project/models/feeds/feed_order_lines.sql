{{ feed(part_of='orders') }}
