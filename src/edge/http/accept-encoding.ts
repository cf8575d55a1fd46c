/** What an `Accept-Encoding` header leaves us to choose from. */
export interface CodingChoice {
  /** The coding that the client likes best of those we have; undefined when it takes none. */
  preferred: "identity" | "gzip" | undefined;
  /** Whether it takes the bytes as they are. */
  allowsIdentity: boolean;
}

interface Offer {
  name: string;
  quality: number;
}

/** Reads the header as the reference does: an absent one means the bytes as they are. */
export function readAcceptEncoding(header: string | undefined): CodingChoice {
  if (header === undefined) return { preferred: "identity", allowsIdentity: true };
  const offers = header.split(",").map(readOffer);
  const qualityOf = (name: string): number | undefined => offers.find((offer) => offer.name === name)?.quality;
  const allowsIdentity = qualityOf("identity") === undefined ? qualityOf("*") !== 0 : qualityOf("identity") !== 0;
  const liked = offers.filter(({ quality }) => quality > 0).toSorted((a, b) => b.quality - a.quality);
  for (const { name } of liked) {
    if (name === "identity" || name === "gzip") return { preferred: name, allowsIdentity };
    if (name === "*") return { preferred: allowsIdentity ? "identity" : "gzip", allowsIdentity };
  }
  return { preferred: allowsIdentity ? "identity" : undefined, allowsIdentity };
}

function readOffer(text: string): Offer {
  const [name = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const value = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
  const quality = value === undefined || !/^\d+(\.\d*)?$/.test(value) ? 1 : Number(value);
  return { name, quality };
}
