#!/usr/bin/env python3
"""Writes the manual pages from what the programs and the header say about themselves, so that a page cannot say anything else.

Usage: manpages.py OUT VERSION DATE STATESTORE BOOTCHECK STATESTORED HEADER
       OUT is a directory, DATE is YYYY-MM-DD, the next three are programs, HEADER is sourceos_statestore.h.
"""
import os
import re
import subprocess
import sys

SECTIONS = ("Description", "Usage", "Arguments", "Options", "Commands", "Examples", "Exit codes")


def help_of(program, words):
    environment = {key: value for key, value in os.environ.items() if key != "SOURCEOS_STATE_STORE"}
    run = subprocess.run([program, *words, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**environment, "NO_COLOR": "1", "COLUMNS": "100"}, text=True, timeout=60, check=False)
    if not run.stdout.strip():
        sys.exit(f"{program} {' '.join(words)} --help said nothing: {run.stderr}")
    return run.stdout


def sections(text):
    """The lines below each heading; a line that stands before any of them is an error, so nothing is lost without a word."""
    found, current = {}, None
    for line in text.splitlines():
        heading = re.fullmatch(r"([A-Z][a-z]+(?: [a-z]+)?):( .*)?", line)
        if heading and heading[1] in SECTIONS:
            current = found.setdefault(heading[1], [])
            if heading[2]:
                current.append(" " + heading[2])
        elif line.strip():
            if current is None:
                sys.exit(f"A help text begins without a heading: {line}")
            current.append(line)
    return found


def rows(lines, starts):
    """Entries of a table of two columns whose cells may go on below."""
    column = min((match.end() for line in lines for match in [re.match(r"  \S.*?\s{2,}(?=\S)", line)] if match), default=0)
    column = max(column, max((len(line) - len(line.lstrip()) for line in lines), default=0))
    entries = []
    for line in lines:
        left, right = line[:column].strip(), line[column:].strip()
        is_open = bool(entries) and entries[-1][0].count("<") > entries[-1][0].count(">")
        if left and not is_open and re.match(starts, left):
            entries.append([left, right])
        elif entries:
            entry = entries[-1]
            if left:
                # A value's name that is too long goes on in the middle of a word.
                entry[0] += left if is_open else " " + left
            entry[1] = f"{entry[1]} {right}".strip()
        else:
            sys.exit(f"A row of a table has no beginning: {line}")
    return entries


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return "\\&" + text if text.startswith((".", "\\(aq")) else text


def breakable(text):
    """A tag that may be longer than a line goes on in the next where a reader would do the same."""
    return re.sub(r"(?<!\\)([|(,])", r"\1\\:", text)


def example(lines):
    out = [".PP", ".nf", ".RS 4"]
    out += [roff(line.strip()) for line in lines]
    return out + [".RE", ".fi"]


def table(entries):
    out = []
    for left, right in entries:
        out += [".TP", f"\\fB{breakable(roff(left))}\\fR", roff(right) if right else "\\&"]
    return out


def page(name, section, date, version, title, manual):
    return [f".TH {name.upper().replace('-', chr(92) + '-')} {section} \"{date}\" \"{version}\" \"{manual}\"", ".nh", ".ad l", ".SH NAME", f"{roff(name)} \\- {roff(title)}"]


def sentence(found):
    text = " ".join(line.strip() for line in found.get("Description", [])).strip()
    return text[:-1] if text.endswith(".") else text


def command_page(out, program, words, common):
    """One command and everything below it."""
    found = sections(help_of(program, words))
    name = " ".join(words)
    out += [f".SS \"{roff(name)}\"", roff(sentence(found)) + "."]
    out += example(found.get("Usage", []))
    options = [row for row in rows(found.get("Options", []), r"--|-[?a-z], ") if row[0] not in common]
    out += table(rows(found.get("Arguments", []), "<"))
    out += table(options)
    if "Examples" in found:
        out += [".PP", "Examples:"] + example(found["Examples"])
    children = rows(found.get("Commands", []), "[a-z]")
    if name == "sync":
        out += table(children)
        return
    for left, _ in children:
        command_page(out, program, [*words, left.split()[0]], common)


def statestore(program, version, date):
    found = sections(help_of(program, []))
    out = page("statestore", 1, date, version, "keep, ask, prove and repair the state of record of a device", "SourceOS state store")
    out += [".SH SYNOPSIS"] + example(found["Usage"]) + [".SH DESCRIPTION", roff(sentence(found)) + "."]
    options = rows(found["Options"], r"--|-[?a-z], ")
    out += [".SH OPTIONS", "These hold for every command."] + table(options)
    out += [".SH COMMANDS"]
    for left, _ in rows(found["Commands"], "[a-z]"):
        command_page(out, program, [left.split()[0]], {row[0] for row in options})
    out += [".SH EXIT STATUS"]
    for number, meaning in re.findall(r"(\d+) ([a-z][a-z/ ]*?)(?=\s{2,}|\s*$|\s\d)", "\n".join(found["Exit codes"]), re.MULTILINE):
        out += [".TP", f"\\fB{number}\\fR", roff(meaning.strip())]
    return out + [".SH EXAMPLES"] + example(found["Examples"]) + [".SH ENVIRONMENT", ".TP", "\\fBSOURCEOS_STATE_STORE\\fR", "The store when \\fB\\-\\-store\\fR is not given.", ".TP", "\\fBNO_COLOR\\fR", "Never use colours.",
                                                                ".SH SEE ALSO", "\\fBstatestore\\-bootcheck\\fR(8), \\fBstatestored\\fR(8), \\fBlibsourceos_statestore\\fR(3)"]


def simple(name, section, program, version, date, title, others):
    found = sections(help_of(program, []))
    out = page(name, section, date, version, title, "SourceOS state store")
    out += [".SH SYNOPSIS"] + example(found["Usage"])
    if "Description" in found:
        out += [".SH DESCRIPTION", roff(sentence(found)) + "."]
    out += [".SH OPTIONS"] + table(rows(found["Options"], r"--|-[?a-z], "))
    if "Commands" in found:
        out += [".SH COMMANDS"] + table(rows(found["Commands"], "[a-z]"))
    if "Exit codes" in found:
        out += [".SH EXIT STATUS", roff(" ".join(line.strip() for line in found["Exit codes"]))]
    if "Examples" in found:
        out += [".SH EXAMPLES"] + example(found["Examples"])
    return out + [".SH SEE ALSO", ", ".join(f"\\fB{roff(other)}\\fR({number})" for other, number in others)]


def library(header, version, date):
    """Every comment and declaration of the header, in its order."""
    with open(header, encoding="utf-8") as file:
        text = file.read()
    out = page("libsourceos_statestore", 3, date, version, "the state store for C programs", "SourceOS state store")
    out += [".SH SYNOPSIS"] + example(["#include <sourceos_statestore.h>", "cc program.c $(pkg-config --cflags --libs sourceos-statestore)"])
    comment = re.match(r"/\*(.*?)\*/", text, re.DOTALL)[1]
    lines = [line.strip(" *") for line in comment.splitlines()]
    out += [".SH DESCRIPTION", roff(next(line for line in lines if line))]
    for line in lines:
        if line.startswith("- "):
            out += [".IP \\(bu 2", roff(line[2:])]
    out += [".SH STATUS"]
    for name, value, meaning in re.findall(r"^\s+(SS_[A-Z_]+) = (\d+),?\s*/\* (.*?) \*/", text, re.MULTILINE):
        out += [".TP", f"\\fB{name}\\fR ({value})", roff(meaning)]
    out += [".SH CONSTANTS"]
    for name, value, meaning in re.findall(r"^#define (SS_[A-Z_]+) (\S+)(?: +/\* (.*?) \*/)?$", text, re.MULTILINE):
        out += [".TP", f"\\fB{name}\\fR ({roff(value)})", roff(meaning) if meaning else "\\&"]
    out += [".SH FUNCTIONS"]
    body = text[text.index("uint32_t ss_abi_version"):]
    pending, functions = "", 0
    for match in re.finditer(r"/\*(?P<comment>.*?)\*/|^(?P<code>(?:ss_status|uint32_t|void) ss_\w+\([^;]*\);)", "/* The ABI version of the library. */\n" + body, re.DOTALL | re.MULTILINE):
        if match["comment"] is not None:
            pending = " ".join(line.strip(" *") for line in match["comment"].splitlines()).strip()
            continue
        functions += 1
        out += [".TP", f"\\fB{breakable(roff(' '.join(match['code'].split())))}\\fR", breakable(roff(pending)) if pending else "\\&"]
        pending = ""
    if functions != len(re.findall(r"^(?:ss_status|uint32_t|void) ss_\w+\(", text, re.MULTILINE)):
        sys.exit("The page of the library does not have every function.")
    return out + [".SH SEE ALSO", "\\fBstatestore\\fR(1), \\fBstatestore\\-bootcheck\\fR(8)"]


def main(arguments):
    if len(arguments) != 7:
        print(__doc__, file=sys.stderr)
        return 2
    out, version, date, program, bootcheck, daemon, header = arguments
    pages = {
        "man1/statestore.1": statestore(program, version, date),
        "man8/statestore-bootcheck.8": simple("statestore-bootcheck", 8, bootcheck, version, date, "say whether a boot may rest on a state store", [("statestore", 1)]),
        "man8/statestored.8": simple("statestored", 8, daemon, version, date, "show a state store to other programs, people and agents", [("statestore", 1)]),
        "man3/libsourceos_statestore.3": library(header, version, date),
    }
    for name, lines in pages.items():
        # A heading begins a paragraph of its own.
        lines = [line for before, line in zip(["", *lines], lines) if not (line == ".PP" and before.startswith(".SH"))]
        path = os.path.join(out, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
