"""Python's poplib as a mail program: PORT USER PASSWORD CA retrieve DIR [stls], or PORT USER PASSWORD CA delete N,N,... [stls]"""
import os
import poplib
import ssl
import sys

# poplib gives up at lines over 2048 bytes; real programs raise this limit in the same way.
poplib._MAXLINE = 4 * 1024 * 1024

port, user, password, ca, what, how = sys.argv[1:7]
context = ssl.create_default_context(cafile=ca)
if sys.argv[7:] == ["stls"]:
    box = poplib.POP3("localhost", int(port), timeout=60)
    assert "STLS" in box.capa() and "USER" not in box.capa()
    box.stls(context)
    assert "STLS" not in box.capa() and "USER" in box.capa()
else:
    box = poplib.POP3_SSL("localhost", int(port), timeout=60, context=context)
box.user(user)
box.pass_(password)
if what == "retrieve":
    count, _ = box.stat()
    for number in range(1, count + 1):
        _, lines, _ = box.retr(number)
        with open(os.path.join(how, str(number)), "wb") as out:
            out.writelines(line + b"\r\n" for line in lines)
else:
    for number in how.split(","):
        box.dele(int(number))
box.quit()
