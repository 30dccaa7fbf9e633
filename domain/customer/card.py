"""The sections of a customer's master card; UNSET means that nobody has said."""

from datetime import date
from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from crmcore.domain.customer.iban import is_iban
from crmcore.domain.customer.terms import Days, PaymentTerms
from crmcore.domain.money import Money
from crmcore.domain.value import Ref, Text, Value

Kind: TypeAlias = Literal["organisation", "person"]
Class: TypeAlias = Literal["A", "B", "C", "D"]
Ownership: TypeAlias = Literal[
    "state_owned", "township", "individual", "wholly_foreign", "joint_venture", "private", "other"
]
Phone: TypeAlias = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}\Z")]


class Revenue(Value):
    """What a company took in a year, and who says so."""

    year: Annotated[int, Meta(ge=1800, le=2200)]
    amount: Money
    source: Text | None = None


class Registration(Value, omit_defaults=True):
    """What the register says about an organisation."""

    legal_representative: Text | UnsetType = UNSET
    tax_id: Ref | UnsetType = UNSET
    ownership: Ownership | UnsetType = UNSET
    registered_capital: Money | UnsetType = UNSET
    founded_on: date | UnsetType = UNSET
    country: Text | UnsetType = UNSET
    parent: Text | UnsetType = UNSET
    business_lines: tuple[Text, ...] | UnsetType = UNSET
    employees: Annotated[int, Meta(ge=0)] | UnsetType = UNSET
    annual_revenue: Revenue | UnsetType = UNSET


class Terms(Value, omit_defaults=True):
    """How the customer pays and how much attention it gets; `payment` stands before the days."""

    payment_days: Days | UnsetType = UNSET
    payment: PaymentTerms | UnsetType = UNSET
    collection_days: Days | UnsetType = UNSET
    customer_class: Class | UnsetType = UNSET


class Site(Value):
    """A place the customer works from."""

    name: Text
    address: Text
    premises: Literal["owned", "leased"] | None = None
    leased_until: date | None = None
    warehouse_m2: Annotated[int, Meta(ge=0)] | None = None


class BankAccount(Value):
    """Where the customer banks."""

    bank: Text
    account: Ref
    iban: Ref | UnsetType = UNSET

    @property
    def is_valid(self) -> bool:
        """Whether the IBAN can be one, if any is known."""
        return self.iban is UNSET or is_iban(self.iban)


class Contact(Value):
    """A person to talk to."""

    name: Text
    role: Text | None = None
    phone: Phone | None = None
    email: Annotated[str, Meta(pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}\Z")] | None = None
    birthday: date | None = None
    primary: bool = False
    more_phones: Annotated[tuple[Phone, ...], Meta(max_length=10)] | UnsetType = UNSET


Sites: TypeAlias = Annotated[tuple[Site, ...], Meta(max_length=50)]
BankAccounts: TypeAlias = Annotated[tuple[BankAccount, ...], Meta(max_length=50)]
Contacts: TypeAlias = Annotated[tuple[Contact, ...], Meta(max_length=50)]
