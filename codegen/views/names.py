"""From any string to a safe, unique identifier. Nothing else of a name ever reaches generated text.

Why: names come from model files. A name may hold quotes, newlines, ``*/``, unicode or 10 kB of text; an identifier of
at most 40 ASCII letters, digits and underscores cannot inject anything, and a number keeps it unique. The same
identifiers name files, targets of make and CMake, and ports of modules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# C99 and C++20 keywords, the types of <stdint.h>, and names that the templates use themselves.
WORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while asm typeof
alignas alignof and and_eq bitand bitor bool catch char16_t char32_t char8_t class co_await co_return co_yield compl
concept const_cast consteval constexpr constinit decltype delete dynamic_cast explicit export false friend mutable
namespace new noexcept not not_eq nullptr operator or or_eq private protected public reinterpret_cast requires
static_assert static_cast template this thread_local throw true try typeid typename using virtual wchar_t xor xor_eq
int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t main trace context scratch
i linux unix i386 errno NULL
"""
RESERVED = frozenset(WORDS.split())
# Files that a folder has besides the model's, headers that <> would find in their place, devices of Windows.
FILE_WORDS = """
selftest main cmsis assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg
stdbool stddef stdint stdio stdlib string tgmath time wchar wctype arm_acle arm_mve arm_nnfunctions immintrin
con prn aux nul com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9
"""
FILES = frozenset(FILE_WORDS.split())
# IEEE 1800-2017, table B.1; those of Verilog 2005 are among them.
VERILOG_WORDS = """
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const
constraint context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge
else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule
endpackage endprimitive endprogram endproperty endspecify endsequence endtable endtask enum event eventually expect
export extends extern final first_match for force foreach forever fork forkjoin function generate genvar global
highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input
inside instance int integer interconnect interface intersect join join_any join_none large let liblist library local
localparam logic longint macromodule matches medium modport module nand negedge nettype new nexttime nmos nor
noshowcancelled not notif0 notif1 null or output package packed parameter pmos posedge primitive priority program
property protected pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase
randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1
s_always s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled signed small
soft solve specify specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on
sync_reject_on table tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1
triand trior trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored
virtual void wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
"""
VERILOG = frozenset(VERILOG_WORDS.split())
# Beginnings that belong to us, and to the macros of <stdint.h> and <float.h>.
TAKEN = re.compile(
    r"hw_|u?int(max|ptr|\d+|_least\d+|_fast\d+)_|(flt|dbl|ldbl|decimal|size|ptrdiff|sig_atomic|wchar|wint)_"
)
LONGEST = 40


def identifiers(
    names: Iterable[str], taken: Iterable[str] = (), *, prefix: str = "", words: frozenset[str] = RESERVED
) -> list[str]:
    """An identifier for each name, unique among themselves and against `taken`, also where case is ignored.

    Args:
        names: any strings.
        taken: identifiers that are somebody else's.
        prefix: of a model; it, and what starts with it and an underscore, are its functions, tables and macros.
        words: of the language.
    """
    used = {t.lower() for t in (*taken, *words, prefix)}
    ours = f"{prefix.lower()}_" if prefix else " "
    letter = "w_" if ours.startswith("v_") else "v_"
    result = []
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9]+", "_", name[: 4 * LONGEST], flags=re.ASCII).strip("_")[:LONGEST] or "value"
        stem = stem if stem[0].isalpha() and not TAKEN.match(stem.lower()) else f"v_{stem}"[:LONGEST]
        stem = f"{letter}{stem}"[:LONGEST] if f"{stem}_".lower().startswith(ours) else stem
        candidate, n = stem, 1
        while candidate.lower() in used:
            n += 1
            candidate = f"{stem[: LONGEST - len(f'_{n}')]}_{n}"
        used.add(candidate.lower())
        result.append(candidate)
    return result


def identifier(name: str, taken: Iterable[str] = ()) -> str:
    """One name as an identifier."""
    return identifiers([name], taken)[0]
