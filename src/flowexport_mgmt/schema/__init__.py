"""The YANG context, instance paths, data trees and the types made from them."""
