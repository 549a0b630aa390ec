"""Tries: to fill the files' space that all student processes share, and to keep it full while others start.
Against: 01-toy
Must: score at most 0; unmet; says /space ran out|used up what all of them share/
"""


def fill():
    number = 0
    while number < 1000:
        try:
            with open(f"fill{number}", "wb") as file:
                while True:
                    file.write(bytes(1 << 20))
        except OSError as error:
            if error.errno == 28:
                return
        number += 1


fill()


class Counter:
    def add(self, amount):
        fill()
        raise OSError("space ran out")
