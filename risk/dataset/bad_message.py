"""A row that was refused, as the message that says the same: so that it can be seen where messages are refused."""

import msgspec
import pyarrow as pa

from risk.catalogue import Kind
from risk.clock import to_text
from risk.codec import decode_transaction
from risk.dataset.column_map import ColumnMap, Constant, RowNumber, TextColumn
from risk.dataset.source import BadRow
from risk.dataset.times import MISSING, as_times
from risk.dataset.values import as_amounts, as_attribute
from risk.events import Rejected, RejectReason

# Such a row has no values that could stand under the names of fields.
NOT_A_ROW = {RejectReason.NOT_UTF8, RejectReason.NOT_JSON, RejectReason.NOT_AN_OBJECT, RejectReason.TOO_DEEP}


def message_of(bad: BadRow, column_map: ColumnMap, shift_ms: int = 0) -> tuple[bytes, bytes] | None:
    """Key and value, with the file's own words where they mean nothing; None where there is no such message.

    Also None where only the label was at fault: as a message the transaction would be a good one, and would be scored.
    """
    if bad.reason in NOT_A_ROW:
        return None
    message: dict[str, object] = {}
    for name, source in column_map.texts.items():
        match source:
            case TextColumn(column=column):
                message[name] = bad.values.get(column)
            case Constant(value=value):
                message[name] = value
            case RowNumber():
                message[name] = str(bad.row)
    if "customer_id" not in column_map.texts:
        message["customer_id"] = message["transaction_id"]
    message["event_time"] = _time(bad, column_map, shift_ms)
    if column_map.amount is not None:
        text = bad.values.get(column_map.amount.column)
        message["amount"] = _number(text, as_amounts(pa.array([text], pa.string()), {}, column_map.amount.decimal)[0])
    attributes: dict[str, object] = {}
    for one in column_map.attributes:
        text = bad.values.get(one.column)
        is_number = one.kind is Kind.NUMBER and text is not None
        number = as_attribute(pa.array([text], pa.string()), one.name, {}, one.decimal)[0] if is_number else None
        attributes[one.name] = _number(text, number)
    if attributes:
        message["attributes"] = {name: value for name, value in attributes.items() if value is not None}
    raw = msgspec.json.encode({name: value for name, value in message.items() if value is not None})
    if not isinstance(decode_transaction(raw), Rejected):
        return None
    return str(message["customer_id"] or "").encode(), raw


def _time(bad: BadRow, column_map: ColumnMap, shift_ms: int) -> str | None:
    source = column_map.event_time
    text = " ".join(bad.values.get(column) or "" for column in source.columns).strip()
    (moment,) = as_times(pa.array([text], pa.string()), source, "event_time", None).tolist()
    if moment == MISSING:
        return text or None
    try:
        return to_text(moment + shift_ms)
    except OverflowError:
        return text


def _number(text: str | None, number: float | None) -> float | str | None:
    """JSON has no infinity and no NaN."""
    return text if number is None or number - number != 0 else number
