"""What the names of columns say: the words that people put into them, in the languages of large banks."""

import re
import unicodedata

from risk.money import EXPONENTS

FRAUD_WORDS = ("fraud", "betrug", "frode", "bedrog", "oszustwo")  # as a part of a name, too: isFraud, Betrugsfall
LABEL = frozenset(
    {"fraud", "fraudulent", "isfraud", "label", "class", "target", "chargeback", "scam", "outcome", "betrug", "fraude",
     "fraudulento", "fraudulenta", "fraudulente", "frauduleux", "frauduleuse", "frode", "bedrog", "oszustwo"}
)  # fmt: skip
# A guess made beforehand, or what a customer has done before: not what was found out about this transaction.
LABEL_NOT = frozenset({"flagged", "score", "probability", "rule", "risk", "previous", "prior", "past"})
FRAUD_KIND = frozenset({"scenario", "kind", "type", "pattern", "modus"})
LABEL_TIME = frozenset(
    {"labelled", "labeled", "reported", "confirmed", "chargeback", "gemeldet", "melde", "meldung", "bestaetigt",
     "reklamiert", "rueckbuchung", "signale", "confirme", "reportado", "confirmado", "segnalato", "confermato",
     "gemeld", "bevestigd", "zgloszono"}
)  # fmt: skip
TIME = frozenset(
    {"time", "date", "datetime", "timestamp", "ts", "when", "moment", "at", "step", "unix", "epoch", "datum", "zeit",
     "uhrzeit", "zeitpunkt", "zeitstempel", "buchungstag", "fecha", "hora", "heure", "horodatage", "orario", "tijd"}
)  # fmt: skip
TIME_NOT = frozenset(
    {"birth", "dob", "birthday", "expiry", "expires", "expiration", "since", "open", "opened", "signup", "joined",
     "geburt", "geburtsdatum", "geburtstag", "naissance", "nacimiento", "nascita", "valuta", "valid"}
)  # fmt: skip
AMOUNT = frozenset(
    {"amount", "amt", "value", "price", "sum", "total", "paid", "charge", "betrag", "summe", "preis", "montant",
     "importe", "monto", "importo", "valor", "bedrag", "kwota"}
)  # fmt: skip
AMOUNT_NOT = frozenset(
    {"old", "new", "balance", "oldbalance", "newbalance", "limit", "average", "avg", "mean", "max", "saldo", "solde",
     "kontostand"}
)  # fmt: skip
TRANSACTION = frozenset(
    {"transaction", "trans", "tx", "txn", "trx", "payment", "order", "event", "operation", "transaktion", "buchung",
     "vorgang", "transaccion", "operacion", "transazione", "transacao", "transactie"}
)  # fmt: skip
ID = frozenset(
    {"id", "num", "number", "no", "nr", "key", "uuid", "ref", "reference", "code", "hash", "nummer", "kennung",
     "referenz", "numero"}
)  # fmt: skip
CUSTOMER = frozenset(
    {"customer", "cust", "client", "user", "account", "acct", "card", "cc", "cardholder", "holder", "payer", "sender",
     "orig", "origin", "member", "person", "pan", "iban", "kunde", "kunden", "konto", "karte", "karten",
     "inhaber", "kontoinhaber", "karteninhaber", "compte", "carte", "cliente", "cuenta", "tarjeta", "conto", "carta",
     "klant", "rekening", "klient"}
)  # fmt: skip
MERCHANT = frozenset(
    {"merchant", "terminal", "shop", "store", "dest", "destination", "payee", "vendor", "seller", "beneficiary",
     "recipient", "receiver", "retailer", "haendler", "laden", "geschaeft", "empfaenger", "commercant", "marchand",
     "magasin", "comercio", "comerciante", "tienda", "esercente", "negozio", "commerciante", "winkel", "sklep"}
)  # fmt: skip
# A property of the customer or merchant is not its id.
PROPERTY = frozenset(
    {"type", "brand", "category", "limit", "balance", "oldbalance", "newbalance", "age", "network", "bank", "city",
     "state", "zip", "lat", "long", "latitude", "longitude", "country", "ctry", "gender", "risk", "score", "present",
     "mcc", "population", "pop", "tenure", "job", "amount", "count", "currency", "device", "channel", "fraud", "time",
     "date", "land", "pays", "pais", "paese", "stadt", "ville", "ciudad", "kategorie", "categorie", "categoria",
     "alter", "saldo", "typ", "datum", "betrag", "betrug", "fraude"}
)  # fmt: skip
CATEGORY = frozenset(
    {
        "category",
        "mcc",
        "industry",
        "sector",
        "kategorie",
        "branche",
        "categorie",
        "categoria",
        "rubro",
        "shoptype",
        "merchanttype",
        "storetype",
    }
)
CHANNEL = frozenset(
    {"channel", "type", "method", "mode", "entry", "kanal", "vertriebsweg", "vertriebskanal", "canal", "canale"}
)
COUNTRY = frozenset({"country", "ctry", "land", "pays", "pais", "paese", "kraj"})
DEVICE = frozenset({"device", "geraet", "appareil", "dispositivo", "apparaat"})
CURRENCY = frozenset({"currency", "ccy", "waehrung", "devise", "moneda", "divisa", "moeda", "valuta", "waluta"})
# Codes of ISO 4217 that are words of their own: AMOUNT_ALL names no Albanian lek.
_CODE_AND_WORD = frozenset(
    {"ALL", "BAM", "BOB", "COP", "CUP", "GEL", "MAD", "MOP", "PEN", "RON", "SEK", "SOS", "TOP", "TRY"}
)
INDEX = frozenset({"index", "row", "unnamed", "column"})

# They point at one person; what they could teach does not carry over to the next.
_PERSONAL = frozenset(
    {"surname", "firstname", "lastname", "street", "address", "email", "mail", "phone", "vorname", "nachname",
     "strasse", "adresse", "telefon", "prenom", "apellido", "cognome", "telefono"}
)  # fmt: skip
_PERSONAL_ALONE = frozenset({"first", "last", "name", "nom", "nombre", "nome"})
_OF_A_PERSON = frozenset({"first", "last", "full", "given", "family", "middle"})
_NOT_OF_A_PERSON = frozenset({"domain", "ip", "verified", "country", "age", "days", "count"})

# What says of a person what must not count against them, by what it says; and the words that make it say it of a thing.
_SENSITIVE = {
    "age": {"age", "dob", "yob", "birth", "birthday", "birthyear", "alter", "geburt", "geburtsjahr", "edad", "eta",
            "idade", "leeftijd", "wiek", "naissance", "nacimiento", "nascita"},
    "gender": {"gender", "sex", "geschlecht", "sexe", "sexo", "genero", "sesso", "genere", "geslacht", "plec"},
    "nationality": {"nationality", "citizenship", "nationalitaet", "staatsangehoerigkeit", "nationalite",
                    "nacionalidad", "nazionalita", "nacionalidade", "nationaliteit", "narodowosc"},
    "religion": {"religion", "konfession", "religione", "religiao", "religie", "wyznanie"},
    "ethnicity": {"ethnicity", "ethnic", "race", "ethnie", "etnia", "herkunft"},
    "marital status": {"marital", "familienstand", "familiale", "civil", "familiestand"},
    "disability": {"disability", "behinderung", "handicap", "discapacidad", "disabilita"},
    "postcode": {"postcode", "zip", "zipcode", "postal", "postalcode", "plz", "postleitzahl"},
}  # fmt: skip
_OF_A_THING = MERCHANT | {
    "merch", "account", "acct", "card", "device", "email", "domain", "phone", "ip", "session", "transaction", "konto",
    "days", "months", "hours", "minutes", "seconds", "count", "match", "compte", "cuenta", "conto",
}  # fmt: skip

UNITS = {
    "nanoseconds": {"ns", "nanos", "nanoseconds"},
    "microseconds": {"us", "micros", "microseconds"},
    "milliseconds": {"ms", "millis", "milliseconds"},
    "seconds": {"s", "sec", "secs", "second", "seconds", "time"},
    "minutes": {"min", "mins", "minute", "minutes"},
    "hours": {"h", "hour", "hours", "step", "steps"},
    "days": {"d", "day", "days", "date"},
}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
# Kundennummer, Buchungsdatum: the last part says what it is, the first of whom.
_GERMAN = re.compile(r"([a-z]{3,}?)s?(nummer|nr|kennung|datum|zeit|betrag)")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


def words_of(name: str) -> frozenset[str]:
    """TX_DATETIME is tx and datetime, nameOrig is name and orig; the whole name squeezed together counts too."""
    words = words_in_order(name)
    parts = {part for word in words for match in [_GERMAN.fullmatch(word)] if match for part in match.groups()}
    return frozenset({*words, *parts, squeezed(name)})


def words_in_order(name: str) -> list[str]:
    """Numbers count as words: chargebacks_last_90d ends in 90 and d."""
    return [word.lower() for word in _WORD.findall(_plain(name))]


def currency_in(name: str) -> str | None:
    """The one currency that a name holds as a word: Betrag EUR, amount_usd, Amount (GBP). None where it names two."""
    is_shouted = name.upper() == name
    codes = {
        word.upper()
        for word in _WORD.findall(_plain(name))
        if word.upper() in EXPONENTS
        and (word.upper() not in _CODE_AND_WORD or (word == word.upper() and not is_shouted))
    }
    return codes.pop() if len(codes) == 1 else None


def squeezed(name: str) -> str:
    """In small letters, without what stands between the words."""
    return "".join(character for character in _plain(name).lower() if character.isalnum())


def knows_of_fraud(name: str) -> bool:
    return bool(words_of(name) & LABEL) or any(word in squeezed(name) for word in FRAUD_WORDS)


def names_a_person(name: str) -> bool:
    """seconds_since_last does not; last, last_name and customer_name do."""
    words = words_of(name)
    if words & _NOT_OF_A_PERSON:
        return False
    is_name = "name" in words and bool(words & (CUSTOMER | _OF_A_PERSON))
    return is_name or squeezed(name) in _PERSONAL_ALONE or bool(words & _PERSONAL)


def sensitive_by_name(words: frozenset[str]) -> str | None:
    """What a column of these words says of a person, such as the age: not account_age_days, nor merchant_zip."""
    if words & _OF_A_THING:
        return None
    return next((what for what, names in _SENSITIVE.items() if words & names), None)


def unit_of(words: frozenset[str]) -> str | None:
    """The unit that a name names; the exact one before what "time" usually is."""
    for unit, names in UNITS.items():
        if words & (names - {"time", "date"}):
            return unit
    return next((unit for unit, names in UNITS.items() if words & names), None)


def _plain(name: str) -> str:
    """Letters without their marks: Händler is Haendler, Commerçant is Commercant."""
    spelled = unicodedata.normalize("NFC", name).translate(_UMLAUTS)
    return "".join(one for one in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(one))
