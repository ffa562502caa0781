{{ feed() }}
