"""Amounts: integer minor units, so that sums are exact.

The exponents are ISO 4217's (list one, as published by SIX). Currencies without minor units of their own, funds
codes and precious metals are not here: a transaction in one of them is rejected as an unknown currency.
"""

# Up to here a float64 holds the decimal number exactly enough to come back as the same integer (15 digits),
# and 90,000 transactions of this size still fit an int64 sum.
LARGEST_MINOR = 10**14

_EXPONENT_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_EXPONENT_3 = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENT_2 = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP
CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS
KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP
TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""

EXPONENTS: dict[str, int] = {
    **dict.fromkeys(_EXPONENT_0.split(), 0),
    **dict.fromkeys(_EXPONENT_2.split(), 2),
    **dict.fromkeys(_EXPONENT_3.split(), 3),
}

_SCALES: dict[str, int] = {currency: int(10**exponent) for currency, exponent in EXPONENTS.items()}


def amount_text(amount: float, currency: str) -> str:
    """As people read it: "1,234.50 EUR", "1,234 JPY"."""
    return f"{amount:,.{EXPONENTS[currency]}f} {currency}"


def scale_of(currency: str) -> int:
    """How many minor units one major unit has."""
    return _SCALES[currency]


def to_minor(amount: float, currency: str) -> int:
    """The nearest whole number of minor units to a valid amount; of two equally near, the even one.

    As `round` does, which takes ten times as long; amounts are not negative, so cutting off is rounding down.
    """
    scaled = amount * _SCALES[currency]
    whole = int(scaled)
    rest = scaled - whole
    return whole + 1 if rest > 0.5 or (rest == 0.5 and whole & 1) else whole


def to_major(minor: int, currency: str) -> float:
    """The float64 nearest to the decimal number: written as JSON it is that number again."""
    return minor / _SCALES[currency]
