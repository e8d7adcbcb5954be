//! Protobuf's wire format, read in place: nothing is copied and nothing allocated, so that a body costs no more memory
//! than its own bytes, whatever it claims to hold. Encoding: protobuf.dev, "Encoding", without groups (proto3 has none).

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It ends within a field.
    #[error("the message ends within a field")]
    Short,
    /// A varint of more than 64 bits.
    #[error("a number is longer than 64 bits")]
    Varint,
    /// A field number outside 1 to 2^29 - 1, or a wire type that proto3 doesn't have.
    #[error("a field has a number or a type that proto3 doesn't have")]
    Tag,
    /// A known field of another type than its message says.
    #[error("field {0} has another type than OTLP gives it")]
    Type(u32),
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The fields of a message, in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) const fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0;
        for (index, byte) in self.0.iter().enumerate().take(10) {
            // The tenth byte holds the last bit.
            if index == 9 && *byte > 1 {
                return Err(WireError::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.0.len() < 10 {
            WireError::Short
        } else {
            WireError::Varint
        })
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(length).map_err(|_| WireError::Short)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// The next field with its number; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = u32::try_from(self.varint()?).map_err(|_| WireError::Tag)?;
        let number = tag >> 3;
        if number == 0 {
            return Err(WireError::Tag);
        }
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(WireError::Tag),
        };
        Ok(Some((number, field)))
    }

    /// Every nested message of that number, in order.
    pub(super) fn each(
        mut self,
        wanted: u32,
        mut take: impl FnMut(&'a [u8]) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        while let Some((number, field)) = self.next()? {
            if number == wanted {
                take(field.bytes(number)?)?;
            }
        }
        Ok(())
    }
}

impl<'a> Field<'a> {
    pub(super) const fn bytes(self, number: u32) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Type(number)),
        }
    }

    pub(super) const fn fixed64(self, number: u32) -> Result<u64, WireError> {
        match self {
            Self::Fixed64(value) => Ok(value),
            _ => Err(WireError::Type(number)),
        }
    }

    pub(super) const fn varint(self, number: u32) -> Result<u64, WireError> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(WireError::Type(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Field<'_>)>, WireError> {
        let mut fields = Fields::of(bytes);
        let mut found = Vec::new();
        while let Some(field) = fields.next()? {
            found.push(field);
        }
        Ok(found)
    }

    #[test]
    fn fields_are_read_as_they_are_written() {
        for (bytes, wanted) in [
            (&[][..], Ok(vec![])),
            (&[0x08, 0x96, 0x01], Ok(vec![(1, Field::Varint(150))])),
            (&[0x12, 2, b'h', b'i'], Ok(vec![(2, Field::Bytes(b"hi"))])),
            (
                &[0x39, 1, 0, 0, 0, 0, 0, 0, 0x80, 0x85, 1, 2, 0, 0, 0],
                Ok(vec![(7, Field::Fixed64(1 | 1 << 63)), (16, Field::Fixed32(2))]),
            ),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                Ok(vec![(1, Field::Varint(u64::MAX))]),
            ),
            (
                &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
                Err(WireError::Varint),
            ),
            (&[0x08, 0x80, 0x80], Err(WireError::Short)),
            (&[0x08], Err(WireError::Short)),
            (&[0x12, 3, b'h', b'i'], Err(WireError::Short)),
            (
                &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                Err(WireError::Short),
            ),
            (&[0x09, 1, 2, 3], Err(WireError::Short)),
            (&[0x00, 1], Err(WireError::Tag)),
            (&[0x0b], Err(WireError::Tag)),
            (&[0x0e], Err(WireError::Tag)),
            (&[0x88, 0x80, 0x80, 0x80, 0x10, 0], Err(WireError::Tag)),
        ] {
            assert_eq!(all(bytes), wanted, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_known_field_of_another_type_is_told() {
        let wrong = Fields::of(&[0x08, 1]).each(1, |_| Ok(()));
        assert_eq!(wrong, Err(WireError::Type(1)));
        assert_eq!(
            Fields::of(&[0x10, 1]).each(1, |_| Ok(())),
            Ok(()),
            "another field"
        );
    }
}
